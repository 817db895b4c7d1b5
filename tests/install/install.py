#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""install.py BUILD: what `make install` leaves, used as a program would.

Installs BUILD under a temporary DESTDIR and builds programs from there: with
each compiler of C and C++, against the shared library, the archives and with
-static, by pkg-config and by CMake.  Speaks TAP.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Tap:
    """Assertions, counted."""

    def __init__(self):
        self.count = self.failed = 0

    def ok(self, good, name, remark=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        if not good:
            for line in str(remark).splitlines():
                print(f"# {line}")
        return good

    def skip(self, why):
        self.count += 1
        print(f"ok {self.count} # SKIP {why}")


def run(args, **kwargs):
    """stdout and stderr together, and the status."""
    done = subprocess.run([str(a) for a in args], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=100, check=False, **kwargs)
    return done.returncode, done.stdout


class Tree:
    """An installed tree."""

    def __init__(self, build, top):
        self.top = top
        status, out = run(["meson", "install", "-C", build, "--no-rebuild",
                           "--quiet"], env={**os.environ, "DESTDIR": str(top)})
        if status:
            raise RuntimeError(out)
        self.libdir = next(top.rglob("liblwkt.so")).parent
        self.env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(top),
                    "PKG_CONFIG_PATH": str(self.libdir / "pkgconfig"),
                    "LD_LIBRARY_PATH": str(self.libdir)}

    def flags(self, *args):
        """What pkg-config says."""
        status, out = run(["pkg-config", *args], env=self.env)
        if status:
            raise RuntimeError(out)
        return out.split()

    def program(self, compiler, source, *link, flags=None, args=()):
        """Build and run: (status, what it said)."""
        target = self.top / "program"
        cflags = self.flags("--cflags", flags or "lwkt")
        status, out = run([compiler, "-O2", "-Wall", "-Wextra", "-Werror",
                           *cflags, f"-I{ROOT / 'tests'}", source, "-o",
                           target, *link])
        if status:
            return status, out
        return run([target, *args], env=self.env)


def check_shared(tap, tree):
    hello = ROOT / "examples/01-hello.c"
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            tap.skip(f"there is no {compiler}")
            continue
        status, out = tree.program(compiler, hello,
                                   *tree.flags("--libs", "lwkt"))
        tap.ok(status == 0 and "hello" in out.lower(),
               f"hello by {compiler}, shared", out)
    for compiler in ("g++", "clang++"):
        if not shutil.which(compiler):
            tap.skip(f"there is no {compiler}")
            continue
        status, out = tree.program(compiler, HERE.parent / "api/cxx.cc",
                                   *tree.flags("--libs", "lwkt"))
        tap.ok(status == 0, f"C++ by {compiler}, shared", out)


def check_archives(tap, tree):
    archive = tree.libdir / "liblwkt.a"
    needs = tree.flags("--libs", "--static", "liburing", "libunwind")
    status, out = tree.program("gcc", HERE / "names.c", archive, *needs)
    tap.ok((status, out) == (0, "98\n"), "a program has the library's inner "
           "names, archive", out)
    status, out = tree.program("gcc", HERE / "slices.c", archive, *needs)
    tap.ok((status, out) == (0, "interrupted\n"), "threads are interrupted, "
           "archive", out)
    if shutil.which("g++"):
        status, out = tree.program("g++", HERE.parent / "api/cxx.cc",
                                   archive, *needs)
        tap.ok(status == 0, "C++ by g++, archive", out)
    status, out = tree.program("gcc", HERE / "sim.c",
                               *tree.flags("--libs", "lwkt-sim"),
                               flags="lwkt-sim")
    tap.ok((status, out) == (0, "3\n"), "the simulated machine", out)


def check_static(tap, tree):
    libs = tree.flags("--libs", "--static", "lwkt")
    status, out = tree.program("gcc", HERE / "names.c", "-static", *libs)
    if status and "cannot find" in out:
        tap.skip("libraries for static linking are missing")
        return
    tap.ok((status, out) == (0, "98\n"), "a static program", out)
    status, out = tree.program("gcc", HERE / "slices.c", "-static", *libs)
    tap.ok(status == 0 and "will not be interrupted" in out,
           "a static program says that it has no slices", out)
    status, out = run([tree.top / "program", "register"])
    tap.ok((status, out) == (0, "register: 0\ninterrupted\n"),
           "and has them in code that it registers", out)
    if shutil.which("g++"):
        status, out = tree.program("g++", HERE.parent / "api/cxx.cc",
                                   "-static", *libs, args=["cooperative"])
        tap.ok(status == 0, "C++ by g++, static", out)


def check_cmake(tap, tree):
    if not shutil.which("cmake"):
        tap.skip("there is no cmake")
        return
    where = tree.top / "cmake-build"
    status, out = run(["cmake", "-S", HERE, "-B", where,
                       f"-Dlwkt_DIR={tree.libdir / 'cmake/lwkt'}"])
    if status == 0:
        status, out = run(["cmake", "--build", where])
    if not tap.ok(status == 0, "CMake finds the package", out):
        return
    for name, want in (("shared", "98\n"), ("static", "98\n"),
                       ("sim", "3\n")):
        got = run([where / name], env=tree.env)
        tap.ok(got == (0, want), f"a program of CMake, {name}", got)


def check_files(tap, tree):
    examples = {path.name for path in (ROOT / "examples").glob("*.c")}
    found = {path.name for path in tree.top.rglob("examples/*.c")}
    tap.ok(examples == found, "the examples are there", examples ^ found)
    cflags = tree.flags("--cflags", "lwkt")
    tap.ok("-fstack-clash-protection" in cflags,
           "large frames do not step over a guard", cflags)
    if not any(tree.top.rglob("man3")):
        tap.skip("there was no scdoc")
        return
    pages = {path.name[:-4] for path in (ROOT / "man").glob("*.scd")}
    found = {path.name for path in tree.top.rglob("man?/*")}
    tap.ok(pages <= found, "the manual is there", pages - found)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as top:
        tree = Tree(Path(sys.argv[1]).resolve(), Path(top))
        for check in (check_shared, check_archives, check_static,
                      check_cmake, check_files):
            check(tap, tree)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
