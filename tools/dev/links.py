#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""links.py: check what README.md and docs/ say about the tree.

A link leads to a file; a path in backticks exists (core/x and its like mean
the test x.c in tests/core or in a room of it), and so does a function; a block
of C compiles without a warning.  A row of docs/features.md that works or works
partly names a source, and one that works names a test.

links.py --self-test breaks every rule once and expects to be told.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import checks

LINK = re.compile(r"\]\(([^)#:]+)\)")
CODE = re.compile(r"^```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:src|apps|bench|docs|examples|include|man|tests|tools)"
                  r"/[\w./-]*\w)`")
TEST = re.compile(r"`((?:api|core|io|kv|sim|torture|unit)/\w+)`")
FUNCTION = re.compile(r"`(lwkt_\w+)`")
ROW = re.compile(r"^\| ([KVUCO]\d+) \|(.*)\|$", re.MULTILINE)


def compiles(root, code):
    run = subprocess.run(
        [*os.environ.get("CC", "cc").split(), "-std=gnu11", "-Wall",
         "-Wextra", "-Werror", "-fsyntax-only", f"-I{root / 'include'}",
         "-x", "c", "-"], input=code, capture_output=True, text=True)
    return run.returncode == 0


def check_rows(text):
    for name, row in ROW.findall(text):
        cells = [cell.strip() for cell in row.split("|")]
        state, source, tests = cells[-1], cells[2], cells[3]
        if not re.match(r"(works|partly: .+|not yet)$", state):
            yield f"{name}: its state is '{state}'"
        if state != "not yet" and not PATH.search(source):
            yield f"{name}: no source named"
        if state == "works" and not TEST.search(tests):
            yield f"{name}: works, but no test proves it"


def check_page(root, path):
    text = path.read_text()
    for link in LINK.findall(text):
        if not (path.parent / link).exists():
            yield f"the link to {link} leads nowhere"
    for name in PATH.findall(text):
        if not (root / name).exists():
            yield f"there is no {name}"
    for name in TEST.findall(text):
        if not checks.test_source(root, name):
            yield f"there is no test {name}"
    headers = "".join(header.read_text() for header in
                      (root / "include/lwkt").glob("*.h"))
    for name in sorted(set(FUNCTION.findall(text))):
        if not re.search(rf"\b{name}\(", headers):
            yield f"there is no function {name}"
    for code in CODE.findall(text):
        if not compiles(root, code):
            yield "a block of C does not compile"
    yield from check_rows(text)


def check(root):
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for error in check_page(root, path):
            yield f"{path.relative_to(root)}: {error}"


GOOD = ("[x](x.c) `src/x.c` `core/x` `lwkt_x`\n```c\nint x;\n```\n"
        "| K1 | x | y | `src/x.c` | `core/x` | | works |\n")
BAD = {
    "[x](y.c)\n": "link to y.c",
    "`src/y.c`\n": "no src/y.c",
    "`core/y`\n": "no test core/y",
    "`lwkt_y`\n": "no function lwkt_y",
    "```c\nint x\n```\n": "does not compile",
    "| K1 | x | y | | `core/x` | | works |\n": "K1: no source",
    "| K1 | x | y | `src/x.c` | | | works |\n": "K1: works, but no test",
    "| K1 | x | y | `src/x.c` | | | maybe |\n": "K1: its state",
}


def self_test():
    with tempfile.TemporaryDirectory() as top:
        root = Path(top)
        checks.write(root, dict.fromkeys(
            ["x.c", "src/x.c", "tests/core/a/x.c", "include/lwkt/x.h"],
            "LWKT_API int lwkt_x(void);\n"))
        for text, want in [(GOOD, None), *BAD.items()]:
            (root / "README.md").write_text(text)
            checks.expect("links", "a page", want, check(root))


if __name__ == "__main__":
    sys.exit(checks.main("links", check, self_test))
