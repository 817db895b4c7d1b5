#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check.py MODEL.pml...: verify Promela models with spin, TAP on stdout.

Each model must verify; and for each BUG_x that it tests with #ifdef, the
model with that bug put in must fail: a model that cannot fail proves nothing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile


def verify(model, define):
    """Errors that spin finds, and the number of states."""
    with tempfile.TemporaryDirectory() as work:
        cmd = ['spin', '-a']
        if define:
            cmd.append('-D' + define)
        subprocess.run(cmd + [os.path.abspath(model)], cwd=work, check=True,
                       stdout=subprocess.PIPE)
        subprocess.run(['gcc', '-O2', '-w', '-DSAFETY', '-o', 'pan', 'pan.c'],
                       cwd=work, check=True)
        out = subprocess.run(['./pan', '-m100000'], cwd=work, text=True,
                             stdout=subprocess.PIPE, check=True).stdout
    errors = int(re.search(r'errors: (\d+)', out).group(1))
    states = int(float(re.search(r'([\d.e+]+) states, stored', out).group(1)))
    if 'search depth too small' in out:
        errors = -1
    return errors, states


def main():
    if not shutil.which('spin'):
        print('1..0 # SKIP there is no spin')
        return 77
    count = failed = 0
    for model in sys.argv[1:]:
        name = os.path.basename(model)
        with open(model, encoding='ascii') as f:
            text = f.read()
        bugs = sorted(set(re.findall(r'#ifn?def (BUG_\w+)', text)))
        for define in [None] + bugs:
            errors, states = verify(model, define)
            good = errors > 0 if define else errors == 0
            count += 1
            failed += not good
            what = f'{define} is found' if define else 'verifies'
            print(f'{"ok" if good else "not ok"} {count} - {name} {what}'
                  f' ({states} states, {errors} errors)', flush=True)
    print(f'1..{count}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
