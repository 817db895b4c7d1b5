#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""syscalls.py [--check]: the table of man/lwkt-syscalls.7.scd.

Writes the section SYSTEM CALLS of the page anew, from the rows of
src/kse/syscall_table.h.  With --check, nothing is written: a page that differs
is an error.

The rows stand in the order of their numbers; each has a way of syscall_var.h;
a refused call says why.

syscalls.py --self-test breaks every rule once and expects to be told.
"""

import re
import sys
import tempfile
from pathlib import Path

import checks

TABLE = Path("src/kse/syscall_table.h")
PAGE = Path("man/lwkt-syscalls.7.scd")
ROW = re.compile(r'^S\((\d+), (\w+), (\w+), (\d),\s+"([^"]*)"\)$',
                 re.MULTILINE)
SECTION = re.compile(r"(?<=^# SYSTEM CALLS\n)\n.*?(?=^# )",
                     re.MULTILINE | re.DOTALL)
WAYS = {"CPU", "IO", "MAYBE", "CARRIER", "REFUSED"}
OURS = re.compile(r"\b(lwkt_\w+)")


def rows(text):
    """(number, name, way, note) of each row."""
    return [(int(number), name, way, note)
            for number, name, way, _, note in ROW.findall(text)]


def row_errors(text):
    found, last = rows(text), -1
    if text.count("\nS(") != len(found):
        yield f"{TABLE}: a row that is none: S(number, name, way, args, note)"
    for number, name, way, note in found:
        if number <= last:
            yield f"{TABLE}: {name}: number {number} after {last}"
        if way not in WAYS:
            yield f"{TABLE}: {name}: {way} is no way"
        if way == "REFUSED" and not note:
            yield f"{TABLE}: {name}: is refused, and nothing says why"
        last = number


def cell(text):
    """A text as scdoc wants it, with our functions as references."""
    text = OURS.sub(r"*\1*(3)", text)
    return re.sub(r"(?<!\w)_", r"\\_", text)


def section(text):
    lines = ["", "|[ *call*", ":[ *made*"]
    for _, name, way, note in rows(text):
        words = [way.lower(), cell(note)] if note else [way.lower()]
        join = ": " if way in ("IO", "REFUSED") else "; "
        lines += [f"|  {cell(name)}", f":  {join.join(words)}"]
    return "\n".join(lines) + "\n\n"


def made(root):
    """The page as it should be, or None if it has no such section."""
    page = (root / PAGE).read_text()
    if not SECTION.search(page):
        return None
    table = section((root / TABLE).read_text())
    return SECTION.sub(lambda _: table, page)


def check(root):
    yield from row_errors((root / TABLE).read_text())
    page = made(root)
    if page is None:
        yield f"{PAGE}: has no section SYSTEM CALLS"
    elif page != (root / PAGE).read_text():
        yield f"{PAGE}: differs from {TABLE}; run tools/dev/syscalls.py"


def self_test():
    good = '\nS(0, read, IO, 3, "lwkt_read")\nS(12, brk, REFUSED, 1,\n    "x")\n'
    page = "# NAME\n\nx\n\n# SYSTEM CALLS\n{}# SEE ALSO\n\ny\n"
    full = page.format(section(good))
    for where, table, text, want in [
            ("a good tree", good, full, None),
            ("another note", good.replace('"x"', '"z"'), full, "differs"),
            ("another way", good.replace("IO", "CPU"), full, "differs"),
            ("a row more", good + 'S(13, a, CPU, 0, "")\n', full, "differs"),
            ("a row less", good[:good.index("S(12")], full, "differs"),
            ("an edited page", good, full.replace("|  brk", "|  break"),
             "differs"),
            ("no section", good, "# NAME\n\nx\n", "has no section"),
            ("no row", good + "S(13, a, CPU)\n", full, "that is none")]:
        with tempfile.TemporaryDirectory() as top:
            root = checks.write(Path(top), {TABLE: table, PAGE: text})
            checks.expect("syscalls.py", where, want, check(root))
    for where, table, want in [
            ("order", good.replace("12", "0"), "number 0 after 0"),
            ("a way", good.replace("IO", "SOON"), "SOON is no way"),
            ("a reason", good.replace('"x"', '""'), "nothing says why")]:
        checks.expect("syscalls.py", where, want, row_errors(table))


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    if sys.argv[1:] != ["--check"]:
        page = made(checks.ROOT)
        if page is not None:
            (checks.ROOT / PAGE).write_text(page)
    return checks.report("syscalls.py", list(check(checks.ROOT)))


if __name__ == "__main__":
    sys.exit(main())
