#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Put known bugs back in and see the tests fail.

tests/mutants.txt lists bugs that the code is proof against, each as a change
of the source and the scenario that must fail with it.  A test that passes
with its bug proves nothing.  Each job N has a tree of its own, BUILD/N/tree,
built in BUILD/N/build, for one bug at a time.  A bug that is not found beside
another job is tried again alone: some tests need a quiet machine.  Speaks TAP.
A test that a checker makes fail has its build named: "build tsan".  The
compiler is gcc, whatever the tree is built with: race 31 is an optimisation
that gcc makes and clang does not.
"""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 120		# a mutant that hangs has failed
SETUP = {
    'build': [],
    'hard': ['-Dhard=true', '-Dinvariants=true'],
    'tsan': ['-Db_lundef=false', '-Db_sanitize=thread'],
}


class Mutant:
    """A bug: its name, the test program, (file, old, new) of each change."""

    def __init__(self, name):
        self.name, self.test, self.changes = name, None, []
        self.build, self.env = 'build', {}
        self.unfit = None       # why its verdict means nothing

    def line(self, line):
        """One line of its block."""
        if line.startswith('test '):
            self.test = line[5:]
        elif line.startswith('build '):
            self.build = line[6:]
        elif line.startswith('env '):
            self.env.update([line[4:].split('=', 1)])
        elif line.startswith('file '):
            self.changes.append([line[5:], [], []])
        else:
            path, old, new = self.changes[-1]
            if line[0] == '-' and new:	# another place of the file
                self.changes.append([path, [], []])
            self.changes[-1][1 if line[0] == '-' else 2].append(line[1:])


def parse(text):
    """The mutants of a list."""
    mutants = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith('#'):
            continue
        if line.startswith('= '):
            mutants.append(Mutant(line[2:]))
        elif mutants and re.match(r'(test|build|env|file) |[-+]', line):
            mutants[-1].line(line)
        else:
            raise ValueError(f'line {number}: {line}')
    return mutants


def change(text, old, new):
    """The text with its only occurrence of the old lines replaced."""
    old, new = ('\n'.join(part) + '\n' if part else '' for part in (old, new))
    places = text.count(old) if old else 0
    if places != 1:
        raise ValueError(f'{places} places for:\n{old}')
    return text.replace(old, new)


def copy_tree(tree):
    """The files of the tree that git knows or would, where they changed."""
    if not (TREE / '.git').exists():
        print('1..0 # SKIP the tree is no checkout')
        sys.exit(0)
    names = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'],
                           cwd=TREE, check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    for name in names:
        src, dst = TREE / name, tree / name
        if src.is_file() and not (dst.is_file() and
                                  dst.read_bytes() == src.read_bytes()):
            dst.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(src, dst)


def run(mutant, build, said=None):
    """How its scenario ends, in words; None: it passes.

    What the test says is added to the list `said`.
    """
    target, server = 'tests/' + mutant.test, 'apps/kv/lwkt-kv'
    targets = [target, server] if mutant.test.startswith('kv-') else [target]
    made = subprocess.run(['ninja', '-C', build, *targets], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if made.returncode != 0:
        raise ValueError('does not build:\n' + made.stdout)
    env = {**os.environ, 'LWKT_ONLY': mutant.name,
           'LWKT_KV': str(build / server), **mutant.env}
    try:
        done = subprocess.run([build / target], env=env, timeout=LIMIT_S,
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, errors='replace',
                              text=True)
    except subprocess.TimeoutExpired:
        return 'hangs'
    if said is not None:
        said += done.stdout.splitlines()
    if done.returncode == 0:
        return None
    seeds = re.findall(r'LWKT_SEED=\d+', done.stdout)
    how = 'dies' if done.returncode < 0 else 'fails'
    return f'{how}, {seeds[-1]}' if seeds else how


def try_mutant(mutant, tree, build):
    """The same, with the change made and unmade."""
    originals = {path: (tree / path).read_text(encoding='ascii')
                 for path, _, _ in mutant.changes}
    texts = dict(originals)
    try:
        for path, old, new in mutant.changes:
            texts[path] = change(texts[path], old, new)
            (tree / path).write_text(texts[path], encoding='ascii')
        return run(mutant, build)
    finally:
        for path, text in originals.items():
            (tree / path).write_text(text, encoding='ascii')


def self_test():
    """Of the list, against the sources as they are."""
    for mutant in parse((TREE / 'tests/mutants.txt').read_text('ascii')):
        texts = {}
        for path, old, new in mutant.changes:
            text = texts.get(path, (TREE / path).read_text('ascii'))
            try:
                texts[path] = change(text, old, new)
            except ValueError as e:
                sys.exit(f'mutants: {mutant.name} {path}: {e}')
        if not mutant.test or not mutant.changes:
            sys.exit(f'mutants: {mutant.name} is incomplete')


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--self-test', action='store_true',
                        help='only check the list against the sources')
    parser.add_argument('--build', default='build-mutants', metavar='DIR',
                        help='where to build (%(default)s)')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(),
                        metavar='N', help='how many bugs are tried at a time, '
                        'each in a tree of its own (%(default)s)')
    parser.add_argument('words', nargs='*',
                        help='only bugs whose names contain one of these')
    return parser.parse_args()


class Place:
    """A tree and its builds, used for one bug at a time."""

    def __init__(self, work):
        self.work, self.tree = work, work / 'tree'
        copy_tree(self.tree)

    def build(self, mutant):
        """The build directory of the mutant's kind, set up."""
        build = self.work / mutant.build
        if not build.exists():
            subprocess.run(['meson', 'setup', '-Dwerror=false', build,
                            self.tree] + SETUP[mutant.build], check=True,
                           env={**os.environ, 'CC': 'gcc'},
                           stdout=subprocess.DEVNULL)
        return build


def at_each_place(places, function, mutants):
    """The results of function(place, mutant), in the order of the mutants."""
    free = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def at_one(mutant):
        place = free.get()
        try:
            return function(place, mutant)
        finally:
            free.put(place)

    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        yield from pool.map(at_one, mutants)


def without_bug(place, mutant):
    """How the test fails without the bug, and what it says; or None."""
    said = []
    how = run(mutant, place.build(mutant), said)
    return how, said


def with_bug(place, mutant):
    """How the test fails with the bug, unless its verdict means nothing."""
    if mutant.unfit:
        return None
    try:
        return try_mutant(mutant, place.tree, place.build(mutant))
    except ValueError as e:
        print('\n'.join('# ' + line for line in str(e).splitlines()),
              flush=True)
        mutant.unfit = 'is no change that builds'
        return None


class Shown:
    """The results that were printed."""

    def __init__(self):
        self.number = self.survivors = 0

    def result(self, mutant, how):
        """Print one: how the test fails, or None."""
        self.number += 1
        self.survivors += how is None
        why = mutant.unfit or how or 'passes with its bug'
        print(f'{"ok" if how else "not ok"} {self.number} - {mutant.name} '
              f'{mutant.test} {why}', flush=True)


def main():
    args = arguments()
    if args.self_test:
        self_test()
        return 0
    mutants = [m for m in
               parse((TREE / 'tests/mutants.txt').read_text('ascii'))
               if not args.words or any(w in m.name for w in args.words)]
    if not mutants:
        sys.exit('mutants: no bug has such a name')
    work = pathlib.Path(args.build).resolve()
    places = [Place(work / str(i))
              for i in range(max(1, min(args.jobs, len(mutants))))]
    for mutant, (how, said) in zip(     # before any change: built once
            mutants, at_each_place(places, without_bug, mutants)):
        mutant.unfit = how and f'{how} without its bug'
        if how:                         # its verdict would mean nothing
            print('\n'.join('# ' + line for line in said
                            if not line.startswith('ok')), flush=True)
    shown, again = Shown(), []
    for mutant, how in zip(mutants, at_each_place(places, with_bug, mutants)):
        if how or mutant.unfit or len(places) == 1:
            shown.result(mutant, how)
        else:
            again.append(mutant)
    for mutant in again:                # now alone
        shown.result(mutant, with_bug(places[0], mutant))
    print(f'1..{len(mutants)}')
    return 1 if shown.survivors else 0


if __name__ == '__main__':
    sys.exit(main())
