#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""leaf.py: check CR3 of src/kern/cpu/crit.h.

Between leaf_enter() and leaf_exit() or leaf_leave(), or the quick forms of
these, nothing may enter or leave a critical section, for the exit could do
deferred work in the middle.  A function that is called there, and what it calls
in turn, must not call one of SECTIONS, unless it enters a counted section
first, on a line marked CR3.  Calls of machine/ end the search: that layer knows
no sections.  So does a panic.

A call by a pointer cannot be followed: POINTERS names those that are allowed,
and why.  A function of TAILS begins in the section of its caller, which returns
its result, and ends the section itself.

leaf.py --self-test breaks every rule once and expects to be told.
"""

import re
import tempfile
from pathlib import Path

import checks

SECTIONS = {"crit_enter", "crit_exit", "crit_enter_td", "crit_exit_td",
            "crit_exit_noyield", "crit_serve", "leaf_enter", "leaf_exit",
            "leaf_leave", "leaf_enter_quick", "leaf_leave_quick",
            "leaf_exit_quick", "splz", "splz_with", "sync_enter", "sync_exit"}
ENTER = re.compile(r"\bleaf_enter(_quick)?\(")
EXIT = re.compile(r"\bleaf_(?:exit|leave)(_quick)?\(")
WORDS = {"if", "while", "for", "switch", "return", "sizeof", "do", "case",
         "defined", "offsetof"}
# Ends of the search by name, and libc's functions that call nothing back.
ENDS = re.compile(r"machine_|lwkt__machine_|__builtin_|lwkt_panic$|lwkt_printf$"
                  r"|mem(set|cpy|move)$|fiber_|tsan_|lwkt__choice|_Static")
POINTERS = {
    "kh_check": "invariants builds of the simulated host, which count leaves",
    "fn": "on_owner(): functions of the run queue, checked by their callers",
}
TAILS = {"port_block", "port_block_int", "replywait_next"}
FUNCTION = re.compile(r"^(\w+)\(([^;{}]*?)\)\n\{\n(.*?)^\}", re.M | re.S)
MACRO = re.compile(r"^#\s*define (\w+)\([^)]*\)((?:.*\\\n)*.*)", re.M)
CALL = re.compile(r"(->|\.)?\b([A-Za-z_]\w*)\s*\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def plain(text):
    """The text without comments and strings; CR3 marks stay as calls."""
    text = COMMENT.sub(lambda m: "CR3_()" if m[0] == "/* CR3 */" else
                       re.sub(r"[^\n]", " ", m[0]), text)
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text)


class Tree:
    """The functions and macros of src/: name -> [(file, body)]."""

    def __init__(self, root):
        self.bodies, self.seen = {}, {}
        for path in sorted((root / "src").rglob("*.[ch]")):
            file = str(path.relative_to(root))
            text = plain(path.read_text())
            for m in FUNCTION.finditer(text):
                self.bodies.setdefault(m[1], []).append((file, m[3]))
            for m in MACRO.finditer(text):
                self.bodies.setdefault(m[1], []).append((file, m[2]))

    def find(self, name, file):
        """The bodies that a call in the file may mean."""
        bodies = self.bodies.get(name, [])
        return [b for b in bodies if b[0] == file] or bodies

    def calls(self, body):
        for m in CALL.finditer(body):
            if m[2] not in WORDS and not ENDS.match(m[2]):
                yield m[1], m[2]

    def wrong(self, name, file):
        """Why a leaf may not call the function, or None."""
        key = name, file
        if key not in self.seen:
            self.seen[key] = None		# while it is searched
            self.seen[key] = self.search(name, file)
        return self.seen[key]

    def search(self, name, file):
        if name in SECTIONS:
            return f"calls {name}"
        for where, body in self.find(name, file):
            if where.startswith("src/machine/"):
                continue
            if re.search(r"crit_enter_td\(.*?\);\s*CR3_\(\)", body):
                continue
            if (why := self.region(body, where)) is not None:
                return f"{name} {why}"
        return None

    def region(self, body, file):
        for pointer, name in self.calls(body):
            if (name == "CR3_" or name in POINTERS or name in TAILS or
                    EXIT.match(name + "(")):
                continue
            if pointer:
                return f"calls by the pointer {name}"
            if (why := self.wrong(name, file)) is not None:
                return why if why.startswith("calls") else f"> {why}"
        return None


def check(root):
    tree = Tree(root)
    for name, bodies in tree.bodies.items():
        for file, body in bodies:
            enter, exits = ENTER.search(body), list(EXIT.finditer(body))
            if name in SECTIONS or enter is None and name not in TAILS:
                continue
            begin = enter.start() if enter else 0
            end = exits[-1].start() if exits else -1
            if end < begin:
                yield f"{file}: {name}: no leaf_exit() after leaf_enter()"
                continue
            inside = body[body.index(";", begin) if enter else 0:end]
            if (why := tree.region(inside, file)) is not None:
                yield f"{file}: in the leaf section of {name}: {why}"


SELF = {
    "src/kern/good.c": ("""
static void
counted(void)
{
	crit_enter_td(curthread);				/* CR3 */
	lwkt_send(1);
	crit_exit_noyield(curthread);
}

static void
leaf_good(void)
{
	leaf_enter(td);
	counted();
	machine_thing();
	leaf_exit(td);
	crit_enter();
}
""", None),
    "src/kern/direct.c": ("""
static void
leaf_direct(void)
{
	leaf_enter(td);
	crit_enter();
	leaf_exit(td);
}
""", "calls crit_enter"),
    "src/kern/deep.c": ("""
static void
deep(void)
{
	crit_exit_td(td);
}

#define through(x)	deep()

static void
leaf_deep(void)
{
	leaf_enter(td);
	through(1);
	leaf_exit(td);
}
""", "deep calls crit_exit_td"),
    "src/kern/pointer.c": ("""
static void
leaf_pointer(void)
{
	leaf_enter(td);
	ops->op_call(1);
	leaf_exit(td);
}
""", "by the pointer op_call"),
    "src/kern/quick.c": ("""
static void
leaf_quick(void)
{
	leaf_enter_quick();
	crit_enter();
	leaf_exit_quick(NULL);
}
""", "calls crit_enter"),
    "src/kern/tail.c": ("""
static void
leaf_tail(void)
{
	leaf_enter(td);
	if (likely(wait)) {
		return port_block(port, msg);
	}
	leaf_leave(td);
	crit_enter();
}

static void
port_block(port, msg)
{
	crit_enter();
	leaf_exit(td);
	crit_enter();
}
""", "in the leaf section of port_block: calls crit_enter"),
    "src/kern/open.c": ("""
static void
leaf_open(void)
{
	leaf_enter(td);
}
""", "no leaf_exit"),
}


def self_test():
    with tempfile.TemporaryDirectory() as name:
        root = checks.write(Path(name), {f: t for f, (t, _) in SELF.items()})
        checks.expect_each("leaf", SELF, check(root))


if __name__ == "__main__":
    raise SystemExit(checks.main("leaf", check, self_test))
