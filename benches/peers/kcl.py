"""KCL as its package for Python brings it: evaluates the program, prints YAML."""

import sys

from kcl_lib import api

result = api.API().exec_program(api.ExecProgramArgs(k_filename_list=sys.argv[1:]))
if result.err_message:
    sys.exit(result.err_message)
sys.stdout.write(result.yaml_result)
