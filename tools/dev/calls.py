#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""calls.py: check the list of calls, docs/calls.md.

Every name in the column "here" exists; one that is not in code type, a part of
the interface, is mentioned by the page and by one of the tests of its row, as
itself or by its short name of <lwkt/bsd.h>.  Every row that says "-" says why.

calls.py --self-test breaks every rule once and expects to be told.
"""

import re
import sys
import tempfile
from pathlib import Path

import checks

ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)
PAGE = re.compile(r"\]\(\.\./(man/[\w-]+\.\d\.scd)\)")


def read(paths):
    return "\n".join(path.read_text() for path in paths)


def has(text, name):
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def rows(text):
    for line in ROW.findall(text):
        cells = [cell.strip() for cell in re.split(r" \|(?: |$)", line + " ")]
        if len(cells) >= 5 and cells[0] != "DragonFly BSD":
            yield cells[:5]


def check_row(root, public, private, cells):
    call, here, page, tests, remark = cells
    if here == "-" and not remark:
        yield f"{call}: is not there, and nothing says why"
    found = PAGE.search(page)
    manual = read([root / found[1]]) if found else ""
    texts = {t: checks.test_source(root, t) for t in re.findall(r"`(.+?)`", tests)}
    for name, path in texts.items():
        if not path:
            yield f"{call}: there is no test {name}"
    tested = read(path for path in texts.values() if path)
    for name in (n for n in here.split(", ") if n != "-"):
        plain = name.strip("`")
        if not has(public, plain) and not has(private, plain):
            yield f"{call}: {plain} does not exist"
        if name != plain:
            continue
        short = re.findall(rf"#define (\w+)\s+{plain}\b", public)
        if not any(has(tested, n) for n in [plain, *short]):
            yield f"{call}: no test of its row mentions {plain}"
        if (plain.startswith("lwkt_") and not has(manual, plain) and
                f"#define {plain}" not in public):
            yield f"{call}: its page does not mention {plain}"


def check(root):
    public = read((root / "include/lwkt").glob("*.h"))
    private = read(p for p in (root / "src").rglob("*.[ch]"))
    for cells in rows((root / "docs/calls.md").read_text()):
        yield from check_row(root, public, private, cells)


def self_test():
    good = "| a | lwkt_a, `b` | [a(3)](../man/a.3.scd) | `api/a` |  |\n"
    with tempfile.TemporaryDirectory() as top:
        root = Path(top)
        checks.write(root, {
            "include/lwkt/a.h": "void lwkt_a(void);\n",
            "src/b.c": "int b;\n", "man/a.3.scd": "*lwkt_a*\n",
            "tests/api/a.c": "lwkt_a();\n"})
        (root / "docs").mkdir()
        for text, errors in [
                (good, 0), (good.replace("`b`", "`c`"), 1),
                (good.replace("api/a", "api/b"), 2),
                (good.replace("lwkt_a,", "lwkt_c,"), 3),
                ("| a | - | - | - |  |\n", 1), ("| a | - | - | - | no |\n", 0)]:
            (root / "docs/calls.md").write_text(text)
            told = list(check(root))
            assert len(told) == errors, (text, told)


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    errors = [f"docs/calls.md: {error}" for error in check(checks.ROOT)]
    count = len(list(rows((checks.ROOT / "docs/calls.md").read_text())))
    return checks.report("calls", errors, f", {count} rows")


if __name__ == "__main__":
    sys.exit(main())
