"""go-jsonnet as its package for Python brings it: evaluates a file, prints JSON."""

import sys

import _gojsonnet

sys.stdout.write(_gojsonnet.evaluate_file(sys.argv[1], max_stack=5000))
