#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""runner.py: what bench/run shows and keeps, with programs that only pretend.

The programs print figures that are given; one of them waits until the test
lets it go on.  Speaks TAP.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """A build directory with programs that pretend."""

    def __init__(self, top):
        self.top = Path(top)
        (self.top / "bench").mkdir()

    def program(self, name, script):
        path = self.top / "bench" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self, *args, stdout=subprocess.PIPE):
        return subprocess.Popen(
            [sys.executable, ROOT / "bench/run", *args], text=True,
            stdout=stdout, stderr=subprocess.PIPE,
            env={**os.environ, "LWKT_BUILD": str(self.top)})

    def run(self, *args):
        with self.start(*args) as child:
            out, err = child.communicate(timeout=60)
        return child.returncode, out, err

    def kept(self):
        lines = (self.top / "bench.json").read_text().splitlines()
        return {(f["bench"], f["impl"]): f for f in map(json.loads, lines)}


def medians(bench):
    """The median of three runs is shown and kept, with the extremes."""
    bench.program("lwkt-yield", f"""
        n=$(cat {bench.top}/n 2>/dev/null || echo 3)
        echo $((n % 3 + 1)) >{bench.top}/n
        echo "yield-$1 lwkt $n ns" """)
    bench.program("st-yield", 'echo "yield-$1 st 8 ns"')
    status, out, err = bench.run("--only", "yield-2", "--runs", "3")
    rows = [line.split() for line in out.splitlines()]
    assert status == 0, f"status {status}\n{err}"
    assert rows[0] == "figure unit lwkt best budget x peer st".split(), rows
    assert rows[1] == "yield-2 ns 2 1 <=9 ok 4 8".split(), rows
    lwkt = bench.kept()["yield-2", "lwkt"]
    assert (lwkt["value"], lwkt["min"], lwkt["max"], lwkt["runs"]) == \
        (2, 1, 3, 3), lwkt


def blocked_second(bench):
    """Programs of two figures, of which the second waits in its run 2."""
    bench.program("lwkt-yield", 'echo "yield-$1 lwkt 5 ns"')
    os.mkfifo(bench.top / "go")
    bench.program("lwkt-create", f"""
        [ -e {bench.top}/once ] && read line <{bench.top}/go
        touch {bench.top}/once
        echo "create-join lwkt 7 ns" """)


def rows_at_once(bench):
    """A row is printed before the next figure is measured."""
    blocked_second(bench)
    with bench.start("--only", "yield-2", "--only", "create-join", "--runs",
                     "2") as child:
        child.stdout.readline()
        first = child.stdout.readline().split()
        early = ("create-join", "lwkt") not in bench.kept()
        (bench.top / "go").write_text("on\n")
        out, _ = child.communicate(timeout=60)
    assert first[:3] == ["yield-2", "ns", "5"], first
    assert early, "the second figure was measured before"
    assert "create-join" in out and child.returncode == 0, out


def interrupted(bench, number):
    """What was measured is printed and kept."""
    blocked_second(bench)
    with bench.start("--only", "yield-2", "--only", "create-join", "--runs",
                     "2") as child:
        with open(bench.top / "go", "w", encoding="ascii"):
            child.send_signal(number)	# it waits for a line
            out, err = child.communicate(timeout=60)
    assert child.returncode == 130, f"status {child.returncode}\n{err}"
    assert "yield-2" in out and "interrupted" in out, out
    kept = bench.kept()
    assert kept["yield-2", "lwkt"]["runs"] == 2, kept
    assert kept["create-join", "lwkt"]["runs"] == 1, kept


def by_ctrl_c(bench):
    """Ctrl-C keeps what was measured."""
    interrupted(bench, signal.SIGINT)


def by_term(bench):
    """So does SIGTERM."""
    interrupted(bench, signal.SIGTERM)


def reader_gone(bench):
    """SIGPIPE ends it without a word; what was measured is kept."""
    blocked_second(bench)
    with bench.start("--only", "yield-2", "--only", "create-join", "--runs",
                     "2") as child:
        rows = [child.stdout.readline() for _ in range(2)]
        child.stdout.close()
        (bench.top / "go").write_text("on\n")
        err = child.stderr.read()
        status = child.wait(timeout=60)
    assert rows[1].startswith("yield-2"), rows
    assert (status, err) == (-signal.SIGPIPE, ""), f"status {status}\n{err}"
    assert bench.kept()["create-join", "lwkt"]["runs"] == 2, bench.kept()


def list_not_read(bench):
    """So does it end a list that nothing reads."""
    end, stdout = os.pipe()
    os.close(end)
    with bench.start("--list", stdout=stdout) as child:
        os.close(stdout)
        err = child.stderr.read()
        status = child.wait(timeout=60)
    assert (status, err) == (-signal.SIGPIPE, ""), f"status {status}\n{err}"


def one_fails(bench):
    """A program of lwkt that fails fails the run; its figure is missing."""
    bench.program("lwkt-yield", 'echo "yield-$1 lwkt 5 ns"; [ $1 = 2 ]')
    status, out, _ = bench.run("--only", "yield-2", "--only", "yield-16",
                               "--runs", "3")
    assert status == 1, f"status {status}"
    assert "lwkt yield 16: status 1" in out, out
    assert list(bench.kept()) == [("yield-2", "lwkt")], bench.kept()


def minute(bench):
    """A figure that was asked for gets a minute, and one run at least."""
    bench.program("lwkt-yield", 'echo "yield-$1 lwkt 5 ns"')
    code = (ROOT / "bench/run").read_text()
    assert "ROW_SECONDS = 60" in code
    runner = bench.top / "run"
    runner.write_text(code.replace("ROW_SECONDS = 60", "ROW_SECONDS = 0"))
    with subprocess.Popen(
            [sys.executable, runner, "--only", "yield-2"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "LWKT_BUILD": str(bench.top),
                 "PYTHONPATH": str(ROOT / "bench")}) as child:
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    notes = [line for line in out.splitlines() if " runs in " in line]
    assert len(notes) == 1 and notes[0].startswith("yield-2: 1 runs"), notes
    assert bench.kept()["yield-2", "lwkt"]["runs"] == 1, bench.kept()


def absurd(bench):
    """Bad arguments are refused by name."""
    for args, word in ((["--only", "nothing"], "no such figure"),
                       (["--runs", "0"], "--runs"),
                       (["--impl", "vms"], "vms")):
        status, _, err = bench.run(*args)
        assert status not in (0, 130) and word in err, (args, status, err)


def main():
    tests = [medians, rows_at_once, by_ctrl_c, by_term, reader_gone,
             list_not_read, one_fails, minute, absurd]
    failed = 0
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as top:
            try:
                test(Bench(top))
                good = ""
            except (AssertionError, subprocess.TimeoutExpired) as wrong:
                good = "not "
                failed += 1
                for line in str(wrong).splitlines():
                    print(f"# {line}")
        print(f"{good}ok {number} - {test.__doc__ or test.__name__}"
              .replace("\n", " "))
    print(f"1..{len(tests)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
