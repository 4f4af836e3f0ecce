"""Nickel as its package for Python brings it: evaluates a file, prints JSON or what is wrong."""

import sys

import nickel

try:
    print(nickel.run(f'import "{sys.argv[1]}"', import_paths=["."]))
except nickel.NickelException as error:
    sys.exit(str(error))
