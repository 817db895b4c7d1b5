#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""layers.py [BUILD]: check that the arrows between the layers point down.

    base <- machine <- kern <- vm <- {usched, ipc, io} <- kse <- stat

A layer, a folder of src/, knows only itself and the layers below it.  kern/
consists of rooms, each of which knows only itself and the rooms before it:

    cpu < time < ipi < sched < sleep < lock < port < thread < trouble < boot

So does apps/kv/, the store:

    base < proto < shard < cmd < net

The part of struct globaldata that a room owns is ROOM/ROOM_cpu.h.  Only
cpu/globaldata.h may include the parts of later rooms, and only files that may
use the room may name the fields.

Files that use each other in a circle, by their symbols, are understood only
together.  So a circle of src/ stays in one folder and has at most three files,
except for those in KNOWN.  The store has none.

A test of tests/core is in the room or layer of src/ that it tests, or in mixed/.

Checked are the include lines, the symbols of the objects in BUILD (nm), that
programs see public headers only, that the host is reached through
machine/machine.h, and that conditional compilation stays in base/ and machine/.

layers.py --self-test breaks every rule once and expects to be told.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import checks
from circles import circles, shortest

RANK = {"base": 0, "machine": 1, "kern": 2, "vm": 3, "usched": 4, "ipc": 4,
        "io": 4, "kse": 5, "stat": 6}
ORDER = "base <- machine <- kern <- vm <- {usched, ipc, io} <- kse <- stat"

ROOMS = {"kern": ["cpu", "time", "ipi", "sched", "sleep", "lock", "port",
                  "thread", "trouble", "boot"],
         "kv": ["base", "proto", "shard", "cmd", "net"]}
PER_CPU = ("kern", "cpu", "globaldata.h")
APP = Path("apps/kv")       # its files name each other by room and file

SHARED = ["child.h", "holders.h", "probe.h", "util.h"]   # several include it
MIXED = "mixed"             # tests of several rooms

# These see what a user of the library sees.
OUTSIDE = ["lib", "bin", "apps", "examples", "bench", "tests/api", "tests/kv"]

# kern/ never allocates and knows no host but the one behind machine.h.
NOT_IN_KERN = re.compile(
    r"(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|"
    r"v?asprintf|mmap|munmap|mprotect|madvise|syscall|pthread_\w+|sem_\w+|"
    r"clock_\w+|nanosleep|sched_\w+|timer_\w+|sigaction|"
    r"p?poll|epoll_\w+|io_uring_\w+|v?f?printf|fopen|fwrite|puts)$")

# Symbols a layer declares and a higher one defines on purpose.
UPCALLS = {
    "lwkt__choice": "base/choice.h: where the simulated host takes over",
    "lwkt__stores": "base/choice.h: whether that host has store buffers",
    "lwkt__store_put": "base/choice.h: before a store",
    "lwkt__store_drain": "base/choice.h: before a locked instruction",
    "splz": "kern/cpu/crit.h: what the last critical exit runs",
}

# The circles of src/ that remain: {their folders: (most files, reason)}.
FILES_IN_CIRCLE = 3
KNOWN = {}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b(.*)")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def sources(folder):
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.rglob("*")
                  if p.suffix in (".c", ".h", ".S") and p.is_file())


def lines_of(path):
    """The lines of a C file with the comments blanked out, numbered."""
    text = COMMENT.sub(lambda m: "\n" * m[0].count("\n"),
                       path.read_text(errors="replace"))
    return list(enumerate(text.split("\n"), 1))


def may_use(layer, other):
    return layer == other or RANK[other] < RANK[layer]


def layer_of(path, src):
    return path.relative_to(src).parts[0]


def wrong_room(parts, other):
    """Why the file with these parts may not use other's, or None."""
    rooms = ROOMS.get(parts[0])
    if not rooms or parts[0] != other[0]:
        return None
    for room in (parts[1], other[1]):
        if room not in rooms:
            return f"{parts[0]}/{room} is no room: {' < '.join(rooms)}"
    if rooms.index(other[1]) > rooms.index(parts[1]):
        return (f"{parts[0]}/{parts[1]}/ may not use {other[0]}/{other[1]}/: "
                f"{' < '.join(rooms)}")
    return None


def is_part(parts):
    """Whether these are the parts of kern/ROOM/ROOM_cpu.h."""
    return len(parts) == 3 and parts[0] == "kern" and \
        parts[2] == f"{parts[1]}_cpu.h"


def wrong_include(path, src, quote, name):
    """Why a file of the layer folders may not include name, or None."""
    layer, parts = layer_of(path, src), Path(name).parts
    if quote == "<":
        return (f"<{name}> is a private header; write it in quotes"
                if parts[0] in RANK and (src / name).exists() else None)
    if parts[0] not in RANK or len(parts) < 2:
        return f'"{name}" names no layer; write "layer/file.h"'
    other = parts[0]
    if not may_use(layer, other):
        return f'{layer}/ may not include "{name}": {ORDER}'
    own = path.relative_to(src).parts
    why = wrong_room(own, parts)
    if why and not (own == PER_CPU and is_part(parts)):
        return f'"{name}": {why}'
    if is_part(own) and other == "kern" and parts[1] != "cpu":
        return f'"{name}": {"/".join(own)} has only data of its room'
    if other == "machine" and len(parts) > 2:
        if layer != "machine":
            return f'"{name}" belongs to one machine; use "machine/machine.h"'
        if {own[1], parts[1]} == {"linux", "sim"}:
            return f'one host may not include the other: "{name}"'
    return None


def check_includes(root):
    src, errors = root / "src", []
    for path in sources(src):
        if layer_of(path, src) not in RANK:
            errors.append(f"{path.relative_to(root)}: stands in no layer")
            continue
        for number, line in lines_of(path):
            found = INCLUDE.match(line)
            why = found and wrong_include(path, src, found[1], found[2])
            if why:
                errors.append(f"{path.relative_to(root)}:{number}: {why}")
    return errors


def check_parts(root):
    """No file names a field of a CPU that belongs to a later room."""
    src, errors, owner = root / "src", [], {}
    for path in sources(src / "kern"):
        parts = path.relative_to(src).parts
        if is_part(parts):
            for _, line in lines_of(path):
                for field in re.findall(r"\bgd_\w+(?=[\[;])", line):
                    owner[field] = parts
    for path in sources(src / "kern"):
        parts = path.relative_to(src).parts
        for number, line in lines_of(path):
            for field in re.findall(r"\bgd_\w+", line):
                why = field in owner and wrong_room(parts, owner[field])
                if why:
                    errors.append(f"{path.relative_to(root)}:{number}: names "
                                  f"{field}: {why}")
    return errors


def check_outside(root):
    """Programs and public headers know nothing of src/."""
    errors = []
    for path in sources(root / "include"):
        for number, line in lines_of(path):
            found = INCLUDE.match(line)
            if found and found[1] == '"':
                errors.append(f'{path.relative_to(root)}:{number}: a public '
                              f'header includes "{found[2]}"')
    for path in (p for folder in OUTSIDE for p in sources(root / folder)):
        for number, line in lines_of(path):
            found = INCLUDE.match(line)
            if not found or (path.parent / found[2]).is_file() and \
                    not (path.parent / found[2]).resolve().is_relative_to(
                        (root / "src").resolve()):
                continue
            if path.is_relative_to(root / APP) or \
                    path.is_relative_to(root / "tests" / APP.name):
                if (root / APP / found[2]).is_file():
                    continue
            name = re.sub(r"^(\.\./)*(src/)?", "", found[2])
            if name.split("/")[0] in RANK:
                errors.append(f"{path.relative_to(root)}:{number}: only "
                              f"public headers here, not {found[2]}")
    return errors


def check_app(root):
    """The rooms of the store, and circles of files, by its include lines."""
    errors, graph = [], {}
    for path in sources(root / APP):
        own = path.relative_to(root / APP.parent).parts
        if len(own) < 3 or own[1] not in ROOMS[APP.name]:
            errors.append(f"{path.relative_to(root)}: stands in no room: "
                          f"{' < '.join(ROOMS[APP.name])}")
            continue
        for number, line in lines_of(path):
            found = INCLUDE.match(line)
            if not found or found[1] != '"':
                continue
            why, name = None, Path(found[2])
            if name.parts[0] in ROOMS[APP.name] and len(name.parts) > 1:
                why = wrong_room(own, (APP.name, *name.parts))
                graph.setdefault(path.relative_to(root / APP), {})[name] = ""
            elif name.parts[0] not in RANK:
                why = 'names no room; write "room/file.h"'
            if why:
                errors.append(f"{path.relative_to(root)}:{number}: "
                              f'"{name}": {why}')
    return errors + app_circles(graph)


def check_tests(root):
    """The rooms of tests/core."""
    rooms = [*ROOMS["kern"], *RANK.keys() - ROOMS.keys(), MIXED]
    for path in sources(root / "tests/core"):
        room = path.relative_to(root / "tests/core").parts[0]
        if room not in rooms + SHARED:
            yield f"{path.relative_to(root)}: stands in no room of src/"


def guard_of(path, lines):
    """The line of an include guard's #ifndef, or None."""
    directives = [(n, l) for n, l in lines if l.lstrip().startswith("#")]
    if path.suffix != ".h" or len(directives) < 3:
        return None
    opened = re.match(r"#ifndef\s+(\w+)\s*$", directives[0][1])
    defined = re.match(r"#define\s+(\w+)\s*$", directives[1][1])
    if not opened or not defined or opened[1] != defined[1]:
        return None
    return directives[0][0]


def conditionals(path, allow_cplusplus):
    lines = lines_of(path)
    guard = guard_of(path, lines)
    for number, line in lines:
        found = CONDITIONAL.match(line)
        if not found or number == guard:
            continue
        if not (allow_cplusplus and found[2].strip() == "__cplusplus"):
            yield number, found[1]


def check_conditionals(root):
    src, errors = root / "src", []
    for path in sources(src) + sources(root / "include"):
        public = not path.is_relative_to(src)
        if not public and layer_of(path, src) in ("base", "machine"):
            continue
        for number, word in conditionals(path, public):
            errors.append(f"{path.relative_to(root)}:{number}: #{word} "
                          "outside base/ and machine/; test a config_ "
                          "constant with a plain if")
    return errors


def objects(root, build, top):
    """{archive: {object: source relative to top}} of what was compiled."""
    found, src = {}, (root / top).resolve()
    commands = json.loads((build / "compile_commands.json").read_text())
    for entry in commands:
        source = (Path(entry["directory"]) / entry["file"]).resolve()
        output = Path(entry["directory"]) / entry["output"]
        if source.is_relative_to(src) and output.is_file():
            archive = found.setdefault(output.parent.name, {})
            archive[str(output)] = source.relative_to(src)
    return found


def symbols(files):
    """Yield (object, name, type) for the global symbols of object files."""
    out = subprocess.run(["nm", "-A", "-P", "-g", *files], check=True,
                         capture_output=True, text=True).stdout
    for line in out.splitlines():
        where, rest = line.split(": ", 1)
        name, kind = rest.split()[:2]
        yield where, name, kind


def check_symbols(root, build):
    errors, seen = [], 0
    for archive, files in objects(root, build, "src").items():
        table, defined = list(symbols(files)), {}
        for where, name, kind in table:
            if kind not in "Uwv":
                defined.setdefault(name, set()).add(files[where])
        for where, name, kind in table:
            seen += 1
            source = files[where]
            layer, found = source.parts[0], defined.get(name, set())
            others = {other.parts[0] for other in found}
            if kind in "Uwv" and others and name not in UPCALLS and \
                    not any(may_use(layer, other) for other in others):
                errors.append(f"src/{source}: uses {name} of "
                              f"{'/, '.join(sorted(others))}/ ({archive}): "
                              f"{ORDER}")
            elif kind in "Uwv" and found and name not in UPCALLS and \
                    all(wrong_room(source.parts, o.parts) for o in found):
                why = wrong_room(source.parts, min(found).parts)
                errors.append(f"src/{source}: uses {name} ({archive}): {why}")
            elif kind == "U" and layer == "kern" and not others and \
                    NOT_IN_KERN.match(name):
                errors.append(f"src/{source}: kern/ calls {name}(): it "
                              "neither allocates nor knows the host")
    if not seen:
        errors.append(f"{build}: no objects of src/ there; build first")
    return errors


def uses(files):
    """{source: {other source: a symbol of it that it uses}}."""
    table, found = list(symbols(files)), {}
    defined = {name: files[where] for where, name, kind in table
               if kind not in "Uwv"}
    for where, name, kind in table:
        other = defined.get(name, files[where])
        if kind in "Uwv" and other != files[where] and name not in UPCALLS:
            found.setdefault(files[where], {})[other] = name
    return found


def folder_of(source):
    """The layer, room or host that a source of src/ is in."""
    inner = source.parts[0] in [*ROOMS, "machine"]
    return Path(*source.parent.parts[:2 if inner else 1])


def app_circles(graph):
    """An error for each circle of files in the store."""
    found = (shortest(graph, circle, lambda one, other: True)
             for circle in circles(graph))
    return [f"{APP / file}: a circle of files: {text}" for file, text in found]


def check_circles(root, build, known):
    """The circles of files of src/, of both hosts; what is out of date."""
    found, errors, met = {}, [], set()
    for archive in objects(root, build, "src").values():
        graph = uses(archive)
        found.update((circle, graph) for circle in circles(graph))
    for circle, graph in sorted(found.items(), key=lambda c: sorted(c[0])):
        folders = sorted({str(folder_of(file)) for file in circle})
        name, one_folder = " ".join(folders), len(folders) == 1
        if one_folder and len(circle) <= FILES_IN_CIRCLE:
            continue
        met.add(name)
        if len(circle) > known.get(name, (0, ""))[0]:
            file, text = shortest(
                graph, circle, lambda one, other:
                one_folder or folder_of(one) != folder_of(other))
            errors.append(f"src/{file}: {len(circle)} files of {name} use "
                          f"each other in circles: {text}")
    for name in sorted(known.keys() - met):
        errors.append(f"tools/dev/layers.py: KNOWN: {name} is a circle no "
                      "longer")
    return errors


def check_app_symbols(root, build):
    """The rooms of the store, and circles of its files, by symbols."""
    errors, files = [], {}
    for part in objects(root, build, APP).values():
        files.update(part)
    if not files:
        return [f"{build}: no objects of {APP}/ there; build first"]
    graph = uses(files)
    for source, others in sorted(graph.items()):
        for other, name in sorted(others.items()):
            why = wrong_room((APP.name, *source.parts),
                             (APP.name, *other.parts))
            if why:
                errors.append(f"{APP / source}: uses {name}: {why}")
    return errors + app_circles(graph)


def check(root, build, known=KNOWN):
    errors = check_includes(root) + check_parts(root) + check_outside(root) + \
        check_conditionals(root) + check_app(root) + [*check_tests(root)]
    if build:
        errors += check_symbols(root, build) + \
            check_circles(root, build, known) + check_app_symbols(root, build)
    return errors




def ring(*names):
    """Files of which each uses the next, and the last the first."""
    stems = [Path(name).stem for name in names]
    return {name: f"void {other}(void); void {one}(void) {{ {other}(); }}"
            for name, one, other in zip(names, stems, stems[1:] + stems[:1])}


def bad_ring(want, *names):
    return {name: (text, want if name == names[0] else None)
            for name, text in ring(*names).items()}


# A tree in which each file breaks the rule that its entry quotes.
GUARDED = "#ifndef LWKT_A_H\n#define LWKT_A_H\n%s\n#endif\n"
BAD_TREE = {
    "src/base/a.c": ('#include "kern/a.h"', 'base/ may not include "kern/'),
    "src/io/b.c": ('#include "ipc/b.h"', 'io/ may not include "ipc/b.h"'),
    "src/kern/cpu/c.c": ('#include "c.h"', "names no layer"),
    "src/kern/cpu/d.c": ('#include "machine/linux/d.h"', "belongs to one"),
    "src/machine/sim/e.c": ('#include "machine/linux/e.h"', "one host may"),
    "src/vm/f.c": ("#ifdef NEVER\n#endif", "f.c:1: #ifdef outside"),
    "src/vm/g.h": (GUARDED % "#if 1\n#endif", "g.h:3: #if outside"),
    "src/odd/h.c": ("int h;", "stands in no layer"),
    "src/base/i.c": ("void up(void); void i(void) { up(); }", "uses up of kern"),
    "src/kern/lock/up.c": ("void up(void) { }", None),
    "src/kern/ipi/o.c": ('#include "kern/sched/o.h"', "may not use kern/sched"),
    "src/kern/time/p.c": ("void up(void); void p(void) { up(); }",
                          "may not use kern/lock"),
    "src/kern/attic/q.c": ('#include "kern/cpu/q.h"', "attic is no room"),
    "src/kern/port/port_cpu.h": (GUARDED % "struct port_cpu { int gd_j; };",
                                 None),
    "src/kern/time/j.c": ("int k(int *gd_j);",
                          "names gd_j: kern/time/ may not use kern/port/"),
    "src/kern/cpu/j.h": (GUARDED % '#include "kern/port/port_cpu.h"',
                         "kern/cpu/ may not use kern/port/"),
    "src/kern/sleep/sleep_cpu.h": (GUARDED % '#include "kern/sched/j.h"',
                                   "has only data of its room"),
    "src/kern/lock/j.c": ("void *malloc(unsigned long); void *j(void) "
                     "{ return malloc(9); }", "kern/ calls malloc()"),
    "include/lwkt/k.h": (GUARDED % '#include "base/k.h"', "a public header"),
    "include/lwkt/l.h": (GUARDED % "#ifdef L\n#endif", "l.h:3: #ifdef"),
    "apps/kv/net/m.c": ('#include "kern/m.h"', "only public headers here"),
    "apps/kv/base/r.c": ('#include "shard/r.h"', "may not use kv/shard/"),
    "apps/kv/proto/s.c": ('#include "s.h"', "names no room"),
    "apps/kv/attic/t.c": ("int t;", "stands in no room"),
    "apps/kv/u.c": ("int u;", "stands in no room"),
    "apps/kv/shard/v.c": ("void cmd(void); void v(void) { cmd(); }",
                          "uses cmd: kv/shard/ may not use kv/cmd/"),
    "apps/kv/cmd/w.c": ("void cmd(void) { }", None),
    **bad_ring("a circle of files: net/x.c -> net/y.c (y) -> net/x.c (x)",
               "apps/kv/net/x.c", "apps/kv/net/y.c"),
    "apps/kv/cmd/y.h": (GUARDED % '#include "cmd/z.h"',
                        "a circle of files: cmd/y.h -> cmd/z.h -> cmd/y.h"),
    "apps/kv/cmd/z.h": (GUARDED % '#include "cmd/y.h"', None),
    "apps/kv/base/kv.h": (GUARDED % "", None),
    "tests/api/k.c": ('#include "base/kv.h"', "only public headers"),
    "tests/core/flat.c": ("int flat;", "stands in no room"),
    "tests/core/attic/odd.c": ("int odd;", "stands in no room"),
    "tests/api/n.c": ('#include "../../src/vm/n.h"', "only public headers"),
    **bad_ring("2 files of machine machine/linux use each other in circles",
               "src/machine/linux/two1.c", "src/machine/two2.c"),
    **bad_ring("4 files of usched", *(f"src/usched/four{i}.c"
                                      for i in range(4))),
    **bad_ring("5 files of io", *(f"src/io/five{i}.c" for i in range(5))),
    "tools/dev/layers.py": ("", "KNOWN: vm is a circle no longer"),
}
GOOD_TREE = {
    "src/kern/lock/a.h": GUARDED % '#include "base/b.h"\n#include <lwkt/c.h>',
    "src/kern/lock/b.h": GUARDED % '#include "kern/cpu/b.h"',
    "src/kern/cpu/globaldata.h": GUARDED % '#include "kern/lock/lock_cpu.h"',
    "src/kern/lock/lock_cpu.h": GUARDED % "struct lock_cpu { int gd_a[2]; };",
    "src/kern/boot/a.c": "int a(int *gd_a);",
    "src/kern/boot/c.c": "void c(void) { }",
    "src/kern/trouble/d.c": "void d(void) { }",
    "src/kern/boot/e.c": "void d(void); void e(void) { d(); }",
    "src/base/config.c": "#if 1\nvoid low(void) { }\n#endif",
    "src/vm/a.c": "/*\n#if 0\n*/ void low(void); void a(void) { low(); }",
    "include/lwkt/c.h": GUARDED % "#ifdef __cplusplus\n#else\n#endif",
    "apps/kv/base/kv.h": GUARDED % "#include <lwkt/c.h>",
    "apps/kv/base/f.c": "void f(void) { }",
    "apps/kv/shard/g.c": "void f(void); void g(void) { f(); }",
    "apps/kv/net/x.c": '#include "base/kv.h"\n#include <lwkt/c.h>',
    "tests/kv/y.c": '#include "base/kv.h"\n#include "z.h"',
    "tests/core/util.h": "",
    "tests/core/sched/z.c": '#include "core/util.h"',
    "tests/core/io/z.c": '#include "kern/cpu/b.h"',
    "tests/core/mixed/z.c": '#include "vm/b.h"',
    **ring("src/kern/time/splz.c", "src/kern/cpu/below.c"),
    **ring(*(f"src/vm/three{i}.c" for i in range(3))),
    **ring(*(f"src/io/four{i}.c" for i in range(4))),
}


def compiled(root, files):
    """Write a tree and compile what has no includes; the build directory."""
    build, commands = checks.write(root, files) / "build", []
    build.mkdir()
    for name, text in files.items():
        if name.endswith(".c") and "#include" not in text:
            output = Path(name).stem + ".o"
            subprocess.run(["cc", "-c", "-o", build / output, root / name],
                           check=True)
            commands.append({"directory": str(build), "file": str(root / name),
                             "output": output})
    (build / "compile_commands.json").write_text(json.dumps(commands))
    return build


def self_test():
    with tempfile.TemporaryDirectory() as top:
        bad, good = Path(top) / "bad", Path(top) / "good"
        build = compiled(bad, {name: text + "\n"
                               for name, (text, _) in BAD_TREE.items()})
        checks.expect_each("layers", BAD_TREE, check(
            bad, build, {"io": (4, ""), "vm": (4, "")}))
        checks.expect("layers", "a good tree", None, check(
            good, compiled(good, GOOD_TREE), {"io": (4, "")}))


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        self_test()
        return 0
    return checks.report("layers", check(
        checks.ROOT, Path(args[0]) if args else None))


if __name__ == "__main__":
    sys.exit(main())
