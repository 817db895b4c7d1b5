#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""every_header.py INCLUDE: the public headers, with strict compilers.

Each header alone, in the oldest and the newest standard of C and C++ that it
is written for, and all of them together, with what every_header.c does with
them, in each standard; with gcc and clang, without a warning.  In C++ each
structure is found by its plain name.  Speaks TAP.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPILERS = [("gcc", "c"), ("clang", "c"), ("g++", "c++"), ("clang++", "c++")]
STANDARDS = {"c": ["c99", "c11", "c17", "c2x"],
             "c++": ["c++11", "c++14", "c++17", "c++20"]}
STRICT = ["-Wpedantic", "-Wall", "-Wextra", "-Werror"]
INITIALIZER = re.compile(r"^#define\s+(LWKT_\w*(?:INITIALIZER|DEFINE\w*))",
                         re.MULTILINE)
STRUCTURE = re.compile(r"^struct (lwkt_\w+) \{", re.MULTILINE)


def complaint(compiler, language, standard, include, source):
    """What the compiler says first, or None."""
    run = subprocess.run(
        [compiler, f"-std={standard}", *STRICT, f"-I{include}", "-x",
         language, "-fsyntax-only", "-"],
        input=source, capture_output=True, text=True)
    if run.returncode == 0:
        return None
    return next((line for line in run.stderr.splitlines()
                 if "error" in line), run.stderr)


def jobs(include):
    """(name, complaint's arguments) of each compilation."""
    headers = sorted(path.name for path in include.glob("lwkt/*.h"))
    text = "".join((include / "lwkt" / name).read_text() for name in headers)
    every = "".join(f"#include <lwkt/{name}>\n" for name in headers)
    use = (HERE / "every_header.c").read_text()
    missing = sorted({name for name in INITIALIZER.findall(text)
                      if not re.search(rf"\b{name}\b", use)})
    if missing:
        raise ValueError(f"every_header.c does not use {missing}")
    plain = "".join(f"extern {name} *plain_{name};\n"
                    for name in STRUCTURE.findall(text))
    for compiler, language in COMPILERS:
        if not shutil.which(compiler):
            continue
        for standard in STANDARDS[language]:
            source = every + (plain if language == "c++" else "") + use
            yield (f"all headers, {compiler} -std={standard}",
                   [(compiler, language, standard, include, source)])
        for standard in (STANDARDS[language][0], STANDARDS[language][-1]):
            yield (f"each header alone, {compiler} -std={standard}",
                   [(compiler, language, standard, include,
                     f"#include <lwkt/{name}>\n") for name in headers])


def main():
    include = Path(sys.argv[1]).resolve()
    count = failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, works in jobs(include):
            told = [c for c in pool.map(lambda w: complaint(*w), works) if c]
            count += 1
            failed += bool(told)
            print(f"{'not ok' if told else 'ok'} {count} - {name}")
            for line in told:
                print(f"# {line}")
    for compiler, _ in COMPILERS:
        if not shutil.which(compiler):
            count += 1
            print(f"ok {count} # SKIP there is no {compiler}")
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
