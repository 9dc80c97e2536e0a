"""Arms a process of the gateway: Python imports this file at its start when the folder is on PYTHONPATH."""

from gateway.proof.cluster.clocks import shift_clock
from gateway.proof.injection import arm

shift_clock()
arm()
