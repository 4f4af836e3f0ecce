"""KCL as its package for Python brings it: evaluates a program, prints YAML or what is wrong."""

import sys

from kcl_lib import api

try:
    result = api.API().exec_program(api.ExecProgramArgs(k_filename_list=sys.argv[1:]))
except Exception as error:  # What is found before evaluation comes as one, of no type of its own.
    sys.exit(str(error))
if result.err_message:
    sys.exit(result.err_message)
sys.stdout.write(result.yaml_result)
