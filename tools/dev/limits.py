#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""limits.py: check what the eye should never have to.

Files of at most 1000 lines, functions of at most 70, lines of at most 80
columns, indentation by tabs, nothing at the end of a line, a licence at the
head, and the brace of a function on a line of its own.  Exceptions to the
first two stand, with a reason, in tools/dev/limits.txt.

limits.py --self-test breaks every rule once and expects to be told.
"""

import re
import sys
from pathlib import Path

import checks

FILE_LINES, FUNCTION_LINES, COLUMNS = 1000, 70, 80
FOLDERS = ["src", "include", "lib", "bin", "apps", "examples", "bench",
           "tests"]
C_FILES = {".c", ".h", ".S"}
HEADED = C_FILES | {".py", ".sh", ".in", ".build"}

FUNCTION_NAME = re.compile(r"^(\w+)\(")
BRACE_AFTER_HEAD = re.compile(r"^[A-Za-z_].*\)\s*\{\s*$")


def functions(lines):
    """Yield (name, number of its first line, lines between its braces)."""
    name, start = "?", None
    for number, line in enumerate(lines, 1):
        found = FUNCTION_NAME.match(line)
        if found and start is None:
            name = found[1]
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            yield name, start, number - start - 1
            start = None


def line_errors(line):
    if len(line.expandtabs(8)) > COLUMNS:
        yield f"{len(line.expandtabs(8))} columns, at most {COLUMNS}"
    if line != line.rstrip():
        yield "blanks at the end of the line"
    if re.match(r"\t* {8}| +\t", line):
        yield "indented by blanks; use tabs of 8"
    if BRACE_AFTER_HEAD.match(line) and not line.startswith("#"):
        yield "the brace of a function stands on a line of its own"


def check_text(name, text, allowed):
    """The errors of one file; takes what it used out of allowed."""
    lines = text.split("\n")
    if not any("SPDX-License-Identifier: BSD-2-Clause" in line
               for line in lines[:2]):
        yield f"{name}:1: no SPDX-License-Identifier: BSD-2-Clause"
    if Path(name).suffix not in C_FILES:
        return
    if len(lines) - 1 > allowed.pop(name, FILE_LINES):
        yield f"{name}: {len(lines) - 1} lines, at most {FILE_LINES}"
    for number, line in enumerate(lines, 1):
        for error in line_errors(line):
            yield f"{name}:{number}: {error}"
    for function, number, length in functions(lines):
        limit = allowed.pop(f"{name}:{function}", FUNCTION_LINES)
        if length > limit:
            yield (f"{name}:{number}: {function}() has {length} lines, "
                   f"at most {limit}")


def exceptions(path):
    allowed = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, limit, _reason = line.split(None, 2)
            allowed[name] = int(limit)
    return allowed


def check(root):
    allowed = exceptions(root / "tools/dev/limits.txt")
    for folder in FOLDERS + ["tools"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in HEADED and path.is_file():
                yield from check_text(str(path.relative_to(root)),
                                      path.read_text(), allowed)
    for name in allowed:
        yield f"tools/dev/limits.txt: {name} is not there any more"


HEAD = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
BODY = "int\nf(void)\n{\n%s}\n"
BAD = {
    "int x;\n": "no SPDX",
    HEAD + "\n" * 1000: "1001 lines",
    HEAD + BODY % ("\tg();\n" * 71): "f() has 71 lines",
    HEAD + "/*" + "-" * 80 + "*/\n": "84 columns",
    HEAD + "\t" * 10 + "x\n": "81 columns",
    HEAD + "int x; \n": "blanks at the end",
    HEAD + BODY % "        g();\n": "indented by blanks",
    HEAD + "int f(void) {\n}\n": "brace of a function",
}
GOOD = [
    HEAD + BODY % ("\tg();\n" * 70),
    HEAD + "struct s {\n\tint\tx;\t/* " + "-" * 50 + " */\n};\n",
    HEAD + BODY % "\tg(1,\n\t    2);\n",
]


def self_test():
    for text, want in [*BAD.items(), *((text, None) for text in GOOD)]:
        checks.expect("limits", "a text", want, check_text("a.c", text, {}))
    checks.expect("limits", "an exception", None, check_text(
        "a.c", HEAD + BODY % ("\tg();\n" * 71), {"a.c:f": 80}))


if __name__ == "__main__":
    sys.exit(checks.main("limits", check, self_test))
