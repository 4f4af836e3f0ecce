"""Nickel as its package for Python brings it: evaluates a program, prints JSON or what is wrong."""

import pathlib
import sys

import nickel

try:
    print(nickel.run(pathlib.Path(sys.argv[1]).read_text(), import_paths=["."]))
except nickel.NickelException as error:
    sys.exit(str(error))
