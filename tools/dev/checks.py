# SPDX-License-Identifier: BSD-2-Clause
"""What the checks of the tree share: how they report, and test themselves."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def report(name, errors, remark=""):
    """Print what a check found; the status of its program."""
    for error in errors:
        print(error)
    print(f"{name}: {len(errors)} error(s)" if errors else
          f"{name}: ok{remark}")
    return 1 if errors else 0


def main(name, check, self_test):
    """A program whose only argument is --self-test."""
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    return report(name, list(check(ROOT)))


def write(root, files):
    """Make the files, {name: text}, of a tree that a self-test checks."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def expect(name, where, want, told):
    """End a self-test unless it was told one error with the words `want`.

    None: it was told no error.
    """
    told = list(told)
    if told if want is None else len(told) != 1 or want not in told[0]:
        sys.exit(f"{name}: self-test: {where}: wanted '{want}', got {told}")


def expect_each(name, files, told):
    """The same of {file: (text, want)}, whose errors begin with the file."""
    told = list(told)
    for file, (_, want) in files.items():
        expect(name, file, want, (e for e in told if e.startswith(file)))


def test_source(root, name):
    """The source of a test that a text calls KIND/NAME, in whichever room."""
    kind, name = name.split("/")
    return next((root / "tests" / kind).rglob(f"{name}.c"), None)
