#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""names.py: check the names by which comments and documents refer to the tree.

A label, a numbered line under INVARIANTS or ORDER in the head of a file
(" * RQ1 text"), has 2 to 4 capitals that belong to this file alone.  The code
cites it outside the heads, where it keeps it ("/* RQ1 */").  A label that is
cited is defined, and where a citation names a file ("RQ1 of lwkt_sched.c"),
in that file.

A file that a comment or a document names exists.  Where the text says what is
in it ("f() of file.c", "f() (file.c)"), the file mentions that; and a file
that heads declarations in a header ("/* file.c: x. */") defines them.

A word with "_" in a comment of C is a name of the code, or of a file.

The letter in the comment of a field, "(c)", is explained in a comment of the
same file or in one of LEGENDS; a letter that is explained is used.

docs/tour.md names every source of src/ (once TOUR_MAP is set).

names.py --self-test breaks every rule once and expects to be told.
"""

import re
import sys
import tempfile
from pathlib import Path

import checks

# Where comments are checked; documents and manual pages are whole texts.
CODE = ["src", "include", "apps", "tests", "bench", "examples", "tools"]
KEEPS = ("src/", "include/", "apps/")	# where labels are defined and kept
PAGES = ["README.md", "CONTRIBUTING.md", "docs", "man", "bench"]
NOT_YET = []
TOUR_MAP = True

# Explained for all files below the folder: (file, folder).
LEGENDS = [("src/kern/cpu/globaldata.h", ""), ("src/kern/cpu/thread_var.h", ""),
           ("src/machine/linux/host.h", "src/machine/linux")]

C_FILES = (".c", ".h", ".S", ".cc", ".pml")
HASHED = (".py", ".sh", ".build", ".txt", "")

LABEL = r"[A-Z]{2,4}\d{1,2}"
DEFINED = re.compile(r"^ \* ([A-Z]+\d{1,2}) ", re.MULTILINE)
SECTION = re.compile(r"^ \* (INVARIANTS|ORDER)$(.*?)(?=^ \* (?:[A-Z]{4,}\b|"
                     r"Source:)|\Z)", re.MULTILINE | re.DOTALL)
CITED = re.compile(rf"(?<![\w\\])({LABEL})(?!\w)")
# What stood where a label has to stand now: "I1".  C99 and features are none.
SHORT = re.compile(r"(?<![\w\\'\"-])(?<!features, )(?!C99|C11|C17)"
                   r"([A-Z]\d{1,2})(?![\w-])")

# Names that stand for any file.
ANY_FILE = ["NAME.c", "NNNN-word.md", "program.c", "test.c"]

FILE = r"(?:[\w.-]+/)*\w[\w-]*\.(?:c|h|S|py|sh|md|pml|scd)"
NAMED = re.compile(rf"(?<![\w.*/<{{}}$%-])({FILE})(?![\w(*/]|\.\w)")
LABEL_OF = re.compile(r"\b([A-Z]{1,4}\d{1,2})"
                      rf"(?:(?:, | and | to )[A-Z]+\d+)* of `?({FILE})")
HOLDS = re.compile(rf"\b(\w+)\(\) (?:(?:of|in) `?|\(`?)({FILE})`?(?![\w(*/])|"
                   rf"\b([a-z]\w*_\w+) of `?({FILE})")
# Files of other systems: a source, or what is theirs.
THEIRS = re.compile(
    r"\bSource: .*|\b(?:DragonFly|FreeBSD|Linux|Go|glibc|libc)(?:'s)? "
    rf"(?:{FILE}(?:,? and |, )?)+")

# A name in a comment, but for names of other systems.
NAME = re.compile(r"(?<![\w.*/<-])([a-z]\w*_\w+)\b(?![*.\w/])")
NAMES_OF_OTHERS = re.compile(
    r"DragonFly's \w+|trace_pipe|no_sync|def_cfa\w*|offset_extended\w*|"
    r"restore_(?:state|extended)|same_value|remember_state")

HEADING = re.compile(r"^/\*(?:\n \*)? (\w+\.[cS])\b[^*]*(?:\*(?!/)[^*]*)*\*/\n",
                     re.MULTILINE)
DECLARED = re.compile(r"^\w[^=;(]*?\b(\w+)\(", re.MULTILINE)

TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|'
                   r"(/\*.*?\*/)|(//[^\n]*)", re.DOTALL)
LETTER = re.compile(r"(?<!\w)\(([a-z]|[lw]:\w+)\)")


class Source:
    """A text: its comments as (line, text, trails code), its other words."""

    def __init__(self, root, path):
        self.name, self.text = str(path.relative_to(root)), path.read_text(
            errors="replace")
        self.suffix, self.head, self.comments = path.suffix, "", []
        self.code = self.text
        if self.suffix in C_FILES:
            self.c_comments()
        elif self.suffix in HASHED:
            for number, line in enumerate(self.text.split("\n"), 1):
                found = re.search(r"(?:(?:^|\s)#|^=)\s(.*)", line)
                if found:	# "= name": of a mutant
                    self.comments.append((number, found[1], False))
        else:
            line = 1
            for part in self.text.split("\n\n"):
                self.comments.append((line, part, False))
                line += part.count("\n") + 2

    def c_comments(self):
        code, at = [], 0
        for found in TOKEN.finditer(self.text):
            comment = found[1] or found[2]
            if not comment:
                continue
            before = self.text[self.text.rfind("\n", 0, found.start()) + 1:
                               found.start()]
            line = self.text.count("\n", 0, found.start()) + 1
            self.comments.append((line, comment, bool(before.strip())))
            code.append(self.text[at:found.start()])
            at = found.end()
        self.code = "".join(code) + self.text[at:]
        for line, comment, _ in self.comments[:2]:
            if line <= 2 and "SPDX" not in comment:
                self.head = comment

    def plain(self):
        """Yield (line, text in one line, is the head) of each comment."""
        for line, comment, _ in self.comments:
            text = re.sub(r"\n\s*(?:\*(?!/)|//|#)?\s*", " ", comment)
            yield line, text, comment == self.head

    def defined(self):
        return [label for _, body in SECTION.findall(self.head)
                for label in DEFINED.findall(body)]


def texts(root, folders):
    names = set()
    for folder in folders:
        top = root / folder
        names.update([top] if top.is_file() else
                     (p for p in top.rglob("*") if p.is_file()))
    return [p for p in sorted(names)
            if (p.suffix in C_FILES + HASHED + (".md", ".scd"))
            and not any(p.is_relative_to(root / no) for no in NOT_YET)]


def check_labels(sources):
    owner, labels, kept = {}, {}, set()
    for source in sources:
        for label in source.defined():
            if not re.fullmatch(LABEL, label):
                yield (f"{source.name}: the label {label} does not have 2 to "
                       "4 capitals")
                continue
            prefix = label.rstrip("0123456789")
            if owner.setdefault(prefix, source.name) != source.name:
                yield (f"{source.name}: {label}: the prefix {prefix} belongs "
                       f"to {owner[prefix]}")
            elif label in labels:
                yield f"{source.name}: {label} is defined twice"
            labels[label] = source.name
    for source in sources:
        for line, text, head in source.plain():
            where = f"{source.name}:{line}"
            for label in CITED.findall(text):
                if label in labels and not head and \
                        source.name.startswith(KEEPS):
                    kept.add(label)
                if label not in labels and \
                        label.rstrip("0123456789") in owner:
                    yield f"{where}: {label} is defined nowhere"
            for label, name in LABEL_OF.findall(text):
                stands = labels.get(label, "no file")
                if not f"/{stands}".endswith("/" + name):
                    yield f"{where}: {label} of {name}: stands in {stands}"
            for label in SHORT.findall(text):
                if source.name.startswith(KEEPS):
                    yield f"{where}: {label} is no label: 2 to 4 capitals"
    for label, name in labels.items():
        if label not in kept:
            yield f"{name}: {label} is cited nowhere in the code"


def check_files(root, sources):
    known = {}
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(
                p.startswith((".", "build")) for p in parts[:-1]):
            name = "/".join(parts).removesuffix(".in")	# made of it
            known.setdefault(Path(name).name, []).append("/".join(parts))

    def find(name):
        while name.startswith(("./", "../")):
            name = name.split("/", 1)[1]
        return [p for p in known.get(name.split("/")[-1], [])
                if f"/{p}".removesuffix(".in").endswith("/" + name)]

    def mentions(paths, word):
        return any(re.search(rf"\b{word}\b", (root / p).read_text(
            errors="replace")) for p in paths)

    for source in sources:
        for line, text, _ in source.plain():
            text = THEIRS.sub("", text)
            for name in NAMED.findall(text):
                if not find(name) and name not in ANY_FILE:
                    yield f"{source.name}:{line}: there is no {name}"
            for one, name, other, elsewhere in HOLDS.findall(text):
                word, name = one or other, name or elsewhere
                if find(name) and not mentions(find(name), word):
                    yield (f"{source.name}:{line}: {name} does not mention "
                           f"{word}")


def check_words(sources):
    code = [source for source in sources if source.suffix in C_FILES]
    known = {Path(source.name).stem for source in code}
    for source in code:
        known.update(re.findall(r"\w+", source.code))
    for source in code:
        for line, text, _ in source.plain():
            text = NAMES_OF_OTHERS.sub("", THEIRS.sub("", text))
            for word in NAME.findall(text):
                if word not in known:
                    yield f"{source.name}:{line}: no code has {word}"


def letters_of(sources):
    """{file: letters it explains}, {file: {letter: line where it is used}}."""
    explained, used, alone = {}, {}, []
    for source in sources:
        if source.suffix not in (".c", ".h"):
            continue
        told = explained.setdefault(source.name, set())
        uses = used.setdefault(source.name, {})
        for line, comment, trails in source.comments:
            letters = LETTER.findall(comment)
            if re.search(r"\bLEGEND\b", comment) or (
                    not trails and len(letters) > 1):
                told.update(letters)
            elif re.match(r"/\* \(", comment) and letters:
                if trails:
                    uses.update((letter, line) for letter in letters)
                else:
                    alone.append((source.name, letters[0], line))
    for name, letter, line in alone:
        if letter[:2] == "l:" or letter in explained[name] or any(
                letter in explained.get(file, ()) for file in
                legends_for(name)):
            used[name][letter] = line
        else:
            explained[name].add(letter)
    return explained, used


def legends_for(name):
    return [file for file, folder in LEGENDS if name.startswith(folder)]


def declared(text):
    """Yield (file, functions) of each heading: a comment that names a file."""
    for found in HEADING.finditer(text):
        block = re.split(r"\n\n|\{", text[found.end():])[0]
        block = HEADING.split(block)[0]
        yield found[1], DECLARED.findall(block)


def check_headings(root, sources):
    for source in sources:
        if source.suffix != ".h" or not source.name.startswith("src/"):
            continue
        for file, functions in declared(source.text):
            paths = [p for p in (root / "src").rglob(file)]
            text = "".join(p.read_text() for p in paths)
            for function in functions:
                if paths and not re.search(rf"^{function}\(", text,
                                           re.MULTILINE):
                    yield (f"{source.name}: {function}() is declared under "
                           f"{file}, which does not define it")


def check_legends(sources):
    explained, used = letters_of(sources)
    code = {source.name: source.code for source in sources}
    for name, uses in sorted(used.items()):
        for letter, line in uses.items():
            known = letter in explained[name] or any(
                letter in explained.get(file, ())
                for file in legends_for(name))
            if letter[:2] == "l:":
                known = re.search(rf"\b{letter[2:]}\b", code[name])
            if not known:
                yield f"{name}:{line}: no legend explains ({letter})"
    for name, letters in sorted(explained.items()):
        for letter in sorted(letters):
            if not any(letter in uses for file, uses in used.items()
                       if file == name or (name in legends_for(file) and
                                           letter not in explained[file])):
                yield f"{name}: no field is ({letter})"


def check_map(root):
    tour = root / "docs/tour.md"
    text = tour.read_text() if tour.is_file() else ""
    for path in sorted((root / "src").rglob("*")):
        name = str(path.relative_to(root))
        if path.suffix in (".c", ".h") and name not in text:
            yield f"{name}: the map of docs/tour.md lacks it"


def check(root, tour_map=TOUR_MAP):
    code = [Source(root, p) for p in texts(root, CODE)]
    pages = [Source(root, p) for p in texts(root, PAGES)
             if p.suffix in (".md", ".scd")]
    yield from check_labels(code + pages)
    yield from check_files(root, code + pages)
    yield from check_headings(root, code)
    yield from check_legends(code)
    yield from check_words(code)
    if tour_map:
        yield from check_map(root)


HEAD = "/* SPDX-License-Identifier: BSD-2-Clause */\n/*\n * A file.\n%s */\n"
INVARIANTS = " *\n * INVARIANTS\n"
GLOBAL = HEAD % " *\n * LEGEND  (c) own CPU\n" + "int c;\t/* (c) */\n"

# {file: (text, what is told of it or None)}: each breaks one rule.
BAD_TREE = {
    "src/kern/cpu/globaldata.h": (GLOBAL, None),
    "src/a.c": (HEAD % (INVARIANTS + " * AA1 x\n") + "int a;\t/* AA1 */\n",
                None),
    "tests/b.c": (HEAD % (INVARIANTS + " * B1 x\n"), "the label B1 does not"),
    "src/c.c": (HEAD % (INVARIANTS + " * CC1 x\n *\n * ORDER\n * CC1 y\n") +
                "int c;\t/* CC1 */\n", "CC1 is defined twice"),
    "src/d.c": (HEAD % (INVARIANTS + " * AA2 x\n") + "int d;\t/* AA2 */\n",
                "the prefix AA belongs to src/a.c"),
    "src/e.c": ("int e;\t/* AA3 */\n", "AA3 is defined nowhere"),
    "src/f.c": (HEAD % (INVARIANTS + " * FF1 x\n"), "FF1 is cited nowhere"),
    "src/g.c": ("int g;\t/* AA1 of b.c */\n", "AA1 of b.c: stands in src/a.c"),
    "src/h.c": ("int h;\t/* M1 */\n", "M1 is no label"),
    "src/i.c": ("/* See gone.c. */\n", "there is no gone.c"),
    "docs/j.md": ("x\n\n`src/a.h`\n", "j.md:3: there is no src/a.h"),
    "man/t.scd": ("see N1 of *a.c* or N1 of a.c\n", "stands in no file"),
    "tools/k.sh": ("# as none.py does\n", "there is no none.py"),
    "src/l.c": ("/* nothing() of a.c */\n", "a.c does not mention nothing"),
    "src/m.c": ("int some_field;\t/* some_field of a.c */\n",
                "does not mention some_field"),
    "src/n.c": ("/* nothing() (a.c) */\n", "a.c does not mention nothing"),
    "src/o.h": ("/* a.c: x. */\nvoid\to(int x);\n", "o() is declared under"),
    "tests/mutants.txt": ("= AA4, a bug\n", "AA4 is defined nowhere"),
    "src/p.c": ("int p;\t/* (z) */\n", "no legend explains (z)"),
    "src/q.c": ("/* (y) one; (x) two */\nint q;\t/* (y) */\n",
                "no field is (x)"),
    "src/r.c": ("int r;\t/* (l:nolock) */\n", "explains (l:nolock)"),
    "src/u.c": ("/* Call u_gone(). */\n", "no code has u_gone"),
    "src/s.c": ("int s;\n", "s.c: the map of docs/tour.md lacks"),
}
GOOD_TREE = {
    "src/kern/cpu/globaldata.h": GLOBAL,
    "src/kern/a.c": HEAD % (INVARIANTS + " * AA1 x\n *\n * ORDER\n * AO1 y\n"
                            " *\n * Source: DragonFly gone.c.\n") +
    "/* AA1, AO1 */\nvoid\na(int x)\n{\n}\n",
    "src/kern/b.h": "/* a.c: x.  (AA1 of a.c) */\nvoid\ta(int x);\n",
    "src/kern/c.c": "int l, a_b; int c;\t/* (c) */ int d;\t/* (l:l) */\n"
                    'char *s = "/* AA9 */";\t/* as a() (a.c); K1, <x.h>, a_b */\n'
                    .replace("K1", "features, K1"),
    "docs/tour.md": "`src/kern/a.c` src/kern/b.h src/kern/c.c src/kern/cpu/"
                    "globaldata.h; a() of `a.c`, NAME.c\n",
}


def self_test():
    files = {name: text for name, (text, _) in BAD_TREE.items()}
    files["docs/tour.md"] = " ".join(name for name in files if
                                     name[:4] == "src/" and name != "src/s.c")
    with tempfile.TemporaryDirectory() as top:
        checks.expect_each("names", BAD_TREE, check(
            checks.write(Path(top) / "bad", files), True))
        checks.expect("names", "a good tree", None, check(
            checks.write(Path(top) / "good", GOOD_TREE), True))


if __name__ == "__main__":
    sys.exit(checks.main("names", check, self_test))
