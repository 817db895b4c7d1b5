#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""quotes.py: check what documents quote of the texts of the program.

docs/contexts.md, a row of the table of rules: "| rule | `src/file.c` | `text` |".
A quoted text of more than one word is part of a string of one of the files that
the row names.  "%" stands for what a conversion prints, and "..." for words
left out.  A word of the quotation may also stand where the string has a
conversion ("blocks in a callback" for "blocks in a %s").

The points of LWKT_FAIL: man/lwkt-tune.7.scd and the head of src/machine/fail.c
list exactly those that the host of Linux has, machine_fail("point").

quotes.py --self-test breaks every rule once and expects to be told.
"""

import re
import sys
import tempfile
from pathlib import Path

import checks

RULES = "docs/contexts.md"
LISTS = ["src/machine/fail.c", "man/lwkt-tune.7.scd"]
FOLDERS = ["src/machine/linux", "src/machine/x86_64", "src/vm"]

STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
STRINGS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
CONVERSION = re.compile(r"%[-#0-9.*]*(?:ll|l|z)?[a-zA-Z]\b|%%")
POINT = re.compile(r'\bmachine_fail\("([^"]*)"\)')
WORDS = 4		# the most that a conversion prints


def plain(text):
    """The words of a text without punctuation."""
    return [word for word in (w.rstrip(",;:.") for w in text.split()) if word]


def strings_of(path):
    """The strings of a C file as lists of words, "%" for a conversion."""
    for found in STRINGS.finditer(COMMENT.sub("", path.read_text())):
        text = "".join(STRING.findall(found[0]))
        text = text.replace('\\"', '"').replace("\\n", "")
        yield plain(CONVERSION.sub("%", text))


def begins(quoted, words):
    """How many quoted words the beginning of a string says; -1: not all fit."""
    if not quoted or not words:
        return -1 if quoted else 0
    pattern = re.escape(words[0]).replace("%", ".+")
    best, most = -1, min(WORDS if "%" in words[0] else 1, len(quoted))
    for n in range(1, most + 1):
        if re.fullmatch(pattern, " ".join(quoted[:n])):
            rest = begins(quoted[n:], words[1:])
            best = max(best, rest + (quoted[:n] == words[:1]) * (rest >= 0))
    return best


def occurs(quoted, strings):
    """Whether a string says this; half of the words it must say itself."""
    return any(2 * begins(quoted, words[at:]) >= len(quoted)
               for words in strings for at in range(len(words)))


def check_rules(root):
    page, files = root / RULES, []
    for number, line in enumerate(page.read_text().split("\n"), 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 3:
            continue
        if cells[1] != "the same":
            files = [root / name for name in
                     re.findall(r"`(src/[\w/.]+)`", cells[1])]
        strings = [words for file in files if file.is_file()
                   for words in strings_of(file)]
        for quoted in re.findall(r"`([^`]+ [^`]+)`", cells[2]) if files else []:
            for part in re.split(r"\.\.\.", quoted):
                words = plain(part)
                if words and not occurs(words, strings):
                    yield (f"{RULES}:{number}: no string of the files there "
                           f"says '{' '.join(words)}'")


def check_points(root):
    points = {point for folder in FOLDERS
              for path in (root / folder).rglob("*.c")
              for point in POINT.findall(path.read_text())}
    for name in LISTS:
        text = re.sub(r"\n \*|\n\t|\n", " ", (root / name).read_text())
        found = re.search(r"[Pp]oints(?: of the Linux host:| are)\s+([^*]*?)\."
                          r"(?:\s|$)", text)
        listed = set(re.split(r",\s+|\s+and\s+", found[1].strip())
                     if found and found[1].strip() else [])
        for point in sorted(points - listed):
            yield f"{name}: the point {point} of LWKT_FAIL is missing"
        for point in sorted(listed - points):
            yield f"{name}: {point} is no point of LWKT_FAIL"


def check(root):
    yield from check_rules(root)
    yield from check_points(root)


GOOD = {
    "src/kern/a.c": 'p("thread \\"%s\\" blocks in a "\n"%s on cpu %d", x);\n'
                    'p("%s: held", x); /* p("gone") */\n',
    "src/machine/linux/b.c": 'if (machine_fail("io.mem"))\n',
    "src/machine/fail.c": "/*\n * Points of the Linux host:\n * io.mem.\n */\n",
    "man/lwkt-tune.7.scd": "The\n\tpoints are io.mem.\n",
    RULES: "| no block | `src/kern/a.c` | `thread \"%\" blocks in a hard "
           "section on cpu %` |\n| held | the same | `%: held`, `... on cpu %`,"
           " `EBUSY` |\n",
}
BAD = [
    (RULES, "blocks in a hard", "sleeps in a hard", "no string"),
    (RULES, "`%: held`", "`it is gone`", "says 'it is gone'"),
    ("src/kern/a.c", "blocks in", "waits in", "no string"),
    ("src/machine/fail.c", "io.mem", "", "io.mem of LWKT_FAIL is missing"),
    ("man/lwkt-tune.7.scd", "io.mem", "io.mem and none", "none is no point"),
]


def self_test():
    with tempfile.TemporaryDirectory() as top:
        checks.expect("quotes", "a good tree", None, check(
            checks.write(Path(top) / "good", GOOD)))
        for number, (name, old, new, want) in enumerate(BAD):
            files = dict(GOOD, **{name: GOOD[name].replace(old, new)})
            checks.expect("quotes", f"{name}: {new}", want, check(
                checks.write(Path(top) / str(number), files)))


if __name__ == "__main__":
    sys.exit(checks.main("quotes", check, self_test))
