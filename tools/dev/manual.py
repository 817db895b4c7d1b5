#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""manual.py [--complete]: check the manual pages, man/NAME.SECTION.scd.

A page is listed in man/meson.build, becomes roff that mandoc -Tlint accepts,
names in its NAME section what it describes, and refers only to pages of ours
that exist.  With --complete every function of the public headers is named by
a page of section 3.

manual.py --self-test breaks every rule once and expects to be told.
"""

import re
import subprocess
import sys
from pathlib import Path

from api import declared

# scdoc puts a paragraph macro at the head of each section, always.
SCDOC_HABIT = "skipping paragraph macro"
NAME_LINE = re.compile(r"^# NAME\n\n([\w., -]+?) - \S", re.MULTILINE)
REFERENCE = re.compile(r"\*(lwkt[\w-]*)\*\((\d)\)")


def names_of(text):
    found = NAME_LINE.search(text)
    return re.split(r", *", found[1]) if found else []


def lint(text):
    """The complaints of scdoc and mandoc about a page's source."""
    made = subprocess.run(["scdoc"], input=text, capture_output=True,
                          text=True)
    if made.returncode:
        return made.stderr.splitlines()
    run = subprocess.run(["mandoc", "-Tlint", "-Wwarning"],
                         input=made.stdout, capture_output=True, text=True)
    return [line for line in (run.stdout + run.stderr).splitlines()
            if SCDOC_HABIT not in line]


def check_pages(pages, listed):
    """pages: {'NAME.SECTION': text}."""
    known = {f"{name}.{page.rsplit('.', 1)[1]}"
             for page, text in pages.items() for name in names_of(text)}
    for page, text in pages.items():
        where = f"man/{page}.scd"
        for complaint in lint(text):
            yield f"{where}: {complaint}"
        if page not in listed:
            yield f"{where}: not listed in man/meson.build"
        if page.rsplit(".", 1)[0] not in names_of(text):
            yield f"{where}: its NAME section does not name it"
        for name, section in sorted(set(REFERENCE.findall(text))):
            if f"{name}.{section}" not in known:
                yield f"{where}: refers to {name}({section}), which is nowhere"


def check_functions(pages, functions):
    named = {name for page, text in pages.items() if page.endswith(".3")
             for name in names_of(text)}
    for name in sorted(set(functions) - named):
        yield f"{functions[name]}: {name} has no manual page"


def self_test():
    good = ("lwkt_a(3)\n\n# NAME\n\nlwkt_a, lwkt_b - do\n\n# DESCRIPTION\n\n"
            "Do, as *lwkt_b*(3).\n")
    assert not list(check_pages({"lwkt_a.3": good}, {"lwkt_a.3"}))
    for page, text, want in [
            ("lwkt_a.3", good.replace("lwkt_a(3)\n", ""), "man/lwkt_a.3"),
            ("lwkt_a.3", good.replace("*lwkt_b*(3)", "*lwkt_c*(3)"),
             "refers to lwkt_c(3)"),
            ("lwkt_a.3", good.replace("lwkt_a, ", ""), "does not name it"),
            ("lwkt_b.3", good, "not listed")]:
        told = list(check_pages({page: text}, {"lwkt_a.3"}))
        if not told or want not in told[0]:
            sys.exit(f"manual: self-test: wanted '{want}', got {told}")
    told = list(check_functions({"lwkt_a.3": good},
                                {"lwkt_a": "x.h", "lwkt_z": "x.h"}))
    if told != ["x.h: lwkt_z has no manual page"]:
        sys.exit(f"manual: self-test: {told}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    root = Path(__file__).resolve().parents[2]
    pages = {path.stem: path.read_text()
             for path in sorted((root / "man").glob("*.scd"))}
    listed = set(re.findall(r"'([\w.-]+\.\d)'",
                            (root / "man/meson.build").read_text()))
    errors = list(check_pages(pages, listed))
    if "--complete" in sys.argv[1:]:
        errors += check_functions(pages, declared(root))
    for error in errors:
        print(error)
    print(f"manual: {len(errors)} error(s)" if errors else
          f"manual: ok, {len(pages)} pages")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
