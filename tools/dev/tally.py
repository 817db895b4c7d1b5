#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tally.py BUILD: count the results of the last test run in BUILD.

The last line it prints is "N passed, N failed, N skipped", in test programs
as meson logged them.  A program that meson calls skipped although it gave no
reason (it printed nothing, say) counts as failed.  Exits 1 when one failed or
when none passed.

tally.py --self-test counts a log of one result of each kind.
"""

import json
import re
import sys
from pathlib import Path

PASSED = {"OK", "EXPECTEDFAIL"}
SKIP_REASON = re.compile(r"#\s*SKIP\s*(.*)", re.IGNORECASE)


def count(runs):
    """(names that passed, failed, skipped), with the reason where not."""
    passed, failed, skipped = [], [], []
    for run in runs:
        reason = SKIP_REASON.search(run.get("stdout", ""))
        if run["result"] in PASSED:
            passed.append(run["name"])
        elif run["result"] == "SKIP" and (reason or run["returncode"] == 77):
            skipped.append(f"{run['name']}: {reason[1] if reason else ''}")
        else:
            failed.append(f"{run['name']}: {run['result']}")
    return passed, failed, skipped


def self_test():
    log = [
        {"name": "a", "result": "OK", "returncode": 0, "stdout": "ok - x"},
        {"name": "b", "result": "SKIP", "returncode": 0, "stdout": ""},
        {"name": "c", "result": "SKIP", "returncode": 0,
         "stdout": "1..0 # SKIP no ring"},
        {"name": "d", "result": "SKIP", "returncode": 77},
        {"name": "e", "result": "FAIL", "returncode": 1},
        {"name": "f", "result": "TIMEOUT", "returncode": -9},
    ]
    got = count(log)
    want = (["a"], ["b: SKIP", "e: FAIL", "f: TIMEOUT"], ["c: no ring", "d: "])
    if got != want:
        sys.exit(f"tally: self-test: wanted {want}, got {got}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    # A run under a wrapper has its name in that of the log.
    log = max((Path(sys.argv[1]) / "meson-logs").glob("testlog*.json"),
              key=lambda path: path.stat().st_mtime)
    passed, failed, skipped = count(
        [json.loads(line) for line in log.read_text().splitlines()])
    for line in skipped:
        print("skipped:", line)
    for line in failed:
        print("failed:", line)
    print(f"{len(passed)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
