#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""manual.py: check the manual pages, man/NAME.SECTION.scd.

A page becomes roff that mandoc -Tlint accepts; its NAME section names the page
and the links that man/meson.build makes to it, and nothing else; it refers
only to pages of ours that exist.

The NAME sections have the words of EVERYDAY between them, which people give to
man -k.

A page of section 3 has the sections of SECTIONS in their order; what its
SYNOPSIS shows agrees with the headers and its EXAMPLE compiles without a
warning (a compiler reads one after the other).  Every function of the public
headers is named by a page of section 3, but not the names for inline functions
alone, which end with an underscore; every tunable and every environment
variable that the library reads stands in a page of section 7.

manual.py --self-test breaks every rule once and expects to be told.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import checks
from api import declared

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "CONTEXT", "BLOCKING",
            "RETURN VALUES", "ERRORS", "EXAMPLE", "SEE ALSO", "HISTORY"]
# scdoc puts a paragraph macro at the head of each section, always.
EVERYDAY = """accept allocate barrier clock condition connection CPU critical file
    free function join lock memory message mutex open overview port preemption
    priority process queue read scheduler semaphore signal sleep socket spinlock
    thread timer token wait wakeup write yield C++ exception""".split()
SCDOC_HABIT = "skipping paragraph macro"
CODE_COLUMNS = 72               # what a page of 80 columns has room for
NAME_LINE = re.compile(r"^# NAME\n\n([\w., \n-]+?) - \S", re.MULTILINE)
REFERENCE = re.compile(r"\*(lwkt[\w-]*)\*\((\d)\)")
CODE = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TUNABLE = re.compile(r'^TUNABLE_(?:INT|NAME)\(\w+, "([\w.]+)"', re.MULTILINE)
VARIABLE = re.compile(r'\b(?:getenv|sim_env_number)\("(LWKT_\w+)"')
LISTED = re.compile(r"'([\w.-]+\.\d)': \[(.*?)\]", re.DOTALL)


def names_of(text):
    found = NAME_LINE.search(text)
    return re.split(r",\s*", found[1]) if found else []


def section_of(text, heading):
    found = re.search(rf"^# {heading}\n(.*?)(?=^# |\Z)", text,
                      re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


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


def check_code(root, text):
    """Synopsis and example of a page of section 3, as a compiler sees them."""
    source = ""
    for heading in ["SYNOPSIS", "EXAMPLE"]:
        blocks = CODE.findall(section_of(text, heading))
        if not blocks:
            yield f"{heading} shows no code"
        source += "".join(f'#line 1 "{heading}"\n{b}' for b in blocks)
    for name in names_of(text):
        if not re.search(rf"\b{name}\(", section_of(text, "SYNOPSIS")):
            yield f"SYNOPSIS does not show {name}"
    for line in source.expandtabs(8).splitlines():
        if len(line) > CODE_COLUMNS:
            yield f"code of more than {CODE_COLUMNS} columns: {line}"
    run = subprocess.run(
        [*os.environ.get("CC", "cc").split(), "-std=gnu11", "-Wall",
         "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only",
         "-D_GNU_SOURCE", f"-I{root / 'include'}", "-x", "c", "-"],
        input=source, capture_output=True, text=True)
    if run.returncode:
        yield next((line for line in run.stderr.splitlines()
                    if "error" in line), run.stderr)


def check_sections(text):
    found = [h for h in re.findall(r"^# (.*)$", text, re.MULTILINE)]
    if [h for h in found if h in SECTIONS] != SECTIONS:
        yield f"its sections must be {', '.join(SECTIONS)}, in this order"


def check_page(root, page, text, links, known):
    where = f"man/{page}.scd"
    yield from (f"{where}: {complaint}" for complaint in lint(text))
    stem, section = page.rsplit(".", 1)
    if links is None:
        yield f"{where}: not listed in man/meson.build"
    elif set(names_of(text)) != {stem, *links}:
        odd = sorted(set(names_of(text)) ^ {stem, *links})
        yield (f"{where}: NAME and man/meson.build disagree about "
               f"{', '.join(odd)}")
    for name, number in sorted(set(REFERENCE.findall(text))):
        if f"{name}.{number}" not in known:
            yield f"{where}: refers to {name}({number}), which is nowhere"
    if section == "3":
        yield from (f"{where}: {complaint}"
                    for complaint in check_sections(text))
        yield from (f"{where}: {complaint}"
                    for complaint in check_code(root, text))


def check_pages(root, pages, listed):
    """pages: {'NAME.SECTION': text}; listed: {'NAME.SECTION': [links]}."""
    known = {f"{name}.{page.rsplit('.', 1)[1]}"
             for page, text in pages.items() for name in names_of(text)}
    for page in sorted(set(listed) - set(pages)):
        yield f"man/{page}.scd: listed, but not there"
    with ThreadPoolExecutor(2) as pool:
        for errors in pool.map(
                lambda item: list(check_page(root, *item,
                                             listed.get(item[0]), known)),
                sorted(pages.items())):
            yield from errors


def check_functions(pages, functions):
    named = {name for page, text in pages.items() if page.endswith(".3")
             for name in names_of(text)}
    for name in sorted(set(functions) - named):
        yield f"{functions[name]}: {name} has no manual page"


def check_words(pages, words):
    told = " ".join(section_of(text, "NAME") for text in pages.values())
    for word in words:
        if word.lower() not in told.lower():
            yield f"man: no NAME section has the word {word}"


def check_settings(pages, sources):
    """sources: {path: text}."""
    told = "".join(text for page, text in pages.items()
                   if page.endswith(".7"))
    for path, text in sorted(sources.items()):
        for name in TUNABLE.findall(text) + VARIABLE.findall(text):
            if f"*{name}*" not in told:
                yield f"{path}: {name} has no entry in man/lwkt-tune.7.scd"


def links_of(meson):
    return {page: re.findall(r"'([\w-]+)'", links)
            for page, links in LISTED.findall(meson)}


GOOD = """lwkt_a(3)

# NAME

lwkt_a,
lwkt_b - do

# SYNOPSIS

```
int lwkt_a(void);
int lwkt_b(void);
```

# DESCRIPTION

Do, as *lwkt_b*(3).

# CONTEXT

Any.

# BLOCKING

No.

# RETURN VALUES

One.

# ERRORS

None.

# EXAMPLE

```
int
two(void)
{
	return lwkt_a() + lwkt_b();
}
```

# SEE ALSO

*lwkt_a*(3)

# HISTORY

New.
"""
BAD = [
    (("lwkt_a(3)\n", "\n"), "man/lwkt_a.3"),
    (("*lwkt_b*(3)", "*lwkt_c*(3)"), "refers to lwkt_c(3)"),
    (("lwkt_a,\nlwkt_b -", "lwkt_a -"), "disagree about lwkt_b"),
    (("# BLOCKING", "# WAITING"), "in this order"),
    (("int lwkt_b(void);\n", ""), "SYNOPSIS does not show lwkt_b"),
    (("lwkt_a() +", "lwkt_z() +"), "lwkt_z"),
    (("lwkt_a() +", "lwkt_a() +" + 30 * " 1 +"), "72 columns"),
]


def self_test(root):
    def told(page, text, listed):
        return list(check_pages(root, {page: text}, listed))

    listed = links_of("'lwkt_a.3': [\n  'lwkt_b',\n],\n")
    assert listed == {"lwkt_a.3": ["lwkt_b"]}, listed
    if told("lwkt_a.3", GOOD, listed):
        sys.exit(f"manual: self-test: {told('lwkt_a.3', GOOD, listed)}")
    for change, want in BAD:
        errors = told("lwkt_a.3", GOOD.replace(*change), listed)
        if not any(want in error for error in errors):
            sys.exit(f"manual: self-test: wanted '{want}', got {errors}")
    errors = told("lwkt_b.3", GOOD, listed)
    assert [e for e in errors if "lwkt_a.3.scd: listed, but" in e], errors
    assert [e for e in errors if "lwkt_b.3.scd: not listed" in e], errors
    errors = list(check_functions({"lwkt_a.3": GOOD},
                                  {"lwkt_a": "x.h", "lwkt_z": "x.h"}))
    assert errors == ["x.h: lwkt_z has no manual page"], errors
    errors = list(check_words({"lwkt_a.3": GOOD}, ["do", "socket"]))
    assert errors == ["man: no NAME section has the word socket"], errors
    errors = list(check_settings(
        {"lwkt-a.7": "*lwkt.a*\n*LWKT_A*\n"},
        {"a.c": 'TUNABLE_INT(a, "lwkt.a", 1);\n\tgetenv("LWKT_A");\n',
         "b.c": 'TUNABLE_INT(b, "lwkt.b", 1);\n\tgetenv("LWKT_B");\n'}))
    assert [error.split()[1] for error in errors] == ["lwkt.b", "LWKT_B"]


def main():
    root = checks.ROOT
    if sys.argv[1:] == ["--self-test"]:
        self_test(root)
        return 0
    pages = {path.stem: path.read_text()
             for path in sorted((root / "man").glob("*.scd"))}
    errors = [
        *check_pages(root, pages,
                     links_of((root / "man/meson.build").read_text())),
        *check_functions(pages, {name: path for name, path
                                 in declared(root).items()
                                 if not name.endswith("_")}),
        *check_words(pages, EVERYDAY),
        *check_settings(pages, {path.relative_to(root): path.read_text()
                                for path in (root / "src").rglob("*.c")}),
    ]
    return checks.report("manual", errors, f", {len(pages)} pages")


if __name__ == "__main__":
    sys.exit(main())
