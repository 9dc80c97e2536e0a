"""Arms a process of the gateway; Python imports this file at start when its folder is on PYTHONPATH."""

from gateway.proof.injection import arm

arm()
