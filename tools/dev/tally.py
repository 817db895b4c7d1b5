#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tally.py BUILD: count the results of the last test run in BUILD.

The last line it prints is "N passed, N failed, N skipped", in test programs
as meson logged them.  A program that meson calls skipped although it gave no
reason (it printed nothing, say) counts as failed.  Exits 1 when one failed or
when none passed.
"""

import json
import re
import sys
from pathlib import Path

PASSED = {"OK", "EXPECTEDFAIL"}
SKIP_REASON = re.compile(r"#\s*SKIP\s*(.*)", re.IGNORECASE)


def main():
    build = Path(sys.argv[1])
    log = build / "meson-logs" / "testlog.json"
    passed, failed, skipped = 0, [], []
    for line in log.read_text().splitlines():
        run = json.loads(line)
        reason = SKIP_REASON.search(run.get("stdout", ""))
        if run["result"] in PASSED:
            passed += 1
        elif run["result"] == "SKIP" and (reason or run["returncode"] == 77):
            skipped.append((run["name"], reason[1] if reason else ""))
        else:
            failed.append((run["name"], run["result"]))
    for name, reason in skipped:
        print(f"skipped: {name}: {reason}")
    for name, result in failed:
        print(f"failed: {name}: {result}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
