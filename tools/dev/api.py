#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""api.py [--complete] BUILD: check the public interface.

Every public header compiles by itself, as strict C11 and, where there is a
C++ compiler, as C++; the shared library in BUILD exports nothing that no
header marks with LWKT_API; and with --complete, everything that one marks.
The archives that are installed define no other global name: a program may use
all others.

api.py --self-test breaks every rule once and expects to be told.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import checks

DECLARATION = re.compile(r"^LWKT_API\b[^;(]*?\b(lwkt_\w+)\s*[(;]", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def headers(root):
    return sorted((root / "include/lwkt").glob("*.h"))


def check_headers(root):
    languages = [(os.environ.get("CC", "cc"), "c", "c11")]
    if shutil.which("c++"):
        languages.append(("c++", "c++", "c++17"))
    for path in headers(root):
        for compiler, language, standard in languages:
            run = subprocess.run(
                [*compiler.split(), f"-std={standard}", "-Wall", "-Wextra",
                 "-Werror", "-pedantic", f"-I{root / 'include'}", "-x",
                 language, "-fsyntax-only", "-include", path, "/dev/null"],
                capture_output=True, text=True)
            if run.returncode:
                first = next((line for line in run.stderr.splitlines()
                              if "error" in line), run.stderr)
                yield (f"{path.relative_to(root)}: not a header by itself in "
                       f"{standard}: {first}")


def declared(root):
    names = {}
    for path in headers(root):
        for name in DECLARATION.findall(COMMENT.sub("", path.read_text())):
            names[name] = path.relative_to(root)
    return names


def exported(library):
    out = subprocess.run(["nm", "-D", "-P", "--defined-only", library],
                         check=True, capture_output=True, text=True).stdout
    return {line.split()[0].split("@")[0] for line in out.splitlines()
            if line.split()[1] != "A"}


def check_exports(names, symbols, complete):
    for name in sorted(symbols - set(names)):
        yield f"{name}: exported, but no public header declares it LWKT_API"
    if complete:
        for name in sorted(set(names) - symbols):
            yield f"{names[name]}: {name} is declared, but not exported"


def global_names(archive):
    out = subprocess.run(["nm", "-g", "-P", "--defined-only", archive],
                         check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines()
            if len(line.split()) > 1}


def check_archive(where, names, found):
    for name in sorted(found - set(names)):
        yield f"{where}: {name} is global, but not LWKT_API"
    for name in sorted(set(names) - found):
        yield f"{where}: {name} is not there"


def self_test():
    with tempfile.TemporaryDirectory() as top:
        root = Path(top)
        (root / "include/lwkt").mkdir(parents=True)
        (root / "include/lwkt/good.h").write_text(
            "#define LWKT_API\n"
            "LWKT_API int *lwkt_a(int (*f)(void),\n    int b);\n"
            "LWKT_API extern const struct x *lwkt_c;\n"
            "/*\nLWKT_API int lwkt_not(void);\n*/\n")
        assert not list(check_headers(root))
        assert set(declared(root)) == {"lwkt_a", "lwkt_c"}, declared(root)
        (root / "include/lwkt/bad.h").write_text("size_t lwkt_b(void);\n")
        told = list(check_headers(root))
        assert told and all("include/lwkt/bad.h" in e for e in told), told
    for symbols, complete, errors in [
            ({"lwkt_a"}, True, 0), ({"lwkt_a", "b"}, False, 1),
            (set(), False, 0), (set(), True, 1)]:
        told = list(check_exports({"lwkt_a": "a.h"}, symbols, complete))
        assert len(told) == errors, told
    for found, errors in [({"lwkt_a"}, 0), ({"lwkt_a", "splz"}, 1),
                          (set(), 1)]:
        told = list(check_archive("x.a", {"lwkt_a": "a.h"}, found))
        assert len(told) == errors, told


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        self_test()
        return 0
    complete = "--complete" in args
    root = checks.ROOT
    names = declared(root)
    symbols = exported(Path(args[-1]) / "src/liblwkt.so")
    errors = [*check_headers(root), *check_exports(names, symbols, complete)]
    if complete:
        for archive in ("src/liblwkt.a", "src/liblwkt_sim.a"):
            found = global_names(Path(args[-1]) / archive)
            errors += check_archive(archive, names, found)
    return checks.report("api", errors, f", {len(symbols)} of {len(names)} "
                         "declared functions exist")


if __name__ == "__main__":
    sys.exit(main())
