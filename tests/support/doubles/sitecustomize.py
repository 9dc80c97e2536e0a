"""Puts doubles in the place of parts of a gateway: the modules of this folder that `DOUBLES` names.

Python imports this file at start when its folder is on PYTHONPATH; `GatewayProcess` puts it there. Workers
and their sandboxes have the doubles; the clock and the orders to kill are everybody's. No process has the
tools of the tests.
"""

import os
import sys
from importlib import import_module

import_module("no_test_tools")
_WORKS = bool({"serve", "work", "--multiprocessing-fork"} & set(sys.orig_argv))

for _name in os.environ["DOUBLES"].split():
    if _WORKS or _name in ("armed", "clock"):
        import_module(_name)
