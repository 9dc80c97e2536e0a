"""Kills by order at named points, as `gateway prove` does, also where it pulls and where messages leave.

`CXR_PROVE_ORDERS` names the folder of the orders.
"""

import os
import sys
from pathlib import Path

from gateway.proof.injection import ORDERS, Injection, Orders, _arm_commits, arm, arm_forked
from gateway.proof.plan import SERVE, WORK

arm()

PULL = "pull"


def _arm_puller(injection: Injection) -> None:
    from gateway.pull import dicom_source

    os.fsync = injection.around("fsync", os.fsync)
    _arm_commits(injection)
    archive = dicom_source.DicomSession
    archive.fetch = injection.around("fetch", archive.fetch)  # type: ignore[method-assign]


def _arm_couriers(injection: Injection) -> None:
    """A point after an exchange lies between the acknowledgement and its row."""
    from gateway.deliver import fhir, folder, hl7

    line = hl7._Line
    line.exchange = injection.around("message", line.exchange)  # type: ignore[method-assign]
    folder.sync_folder = injection.around("copy", folder.sync_folder)  # type: ignore[attr-defined]
    fhir._post = injection.around("bundle", fhir._post)


def _arm_more(role: str) -> None:
    more = {PULL: _arm_puller, WORK: _arm_couriers}.get(role)
    if more:
        more(Injection(Orders(Path(os.environ[ORDERS])), role))


if SERVE in sys.orig_argv[:4]:
    arm_forked(_arm_more)
else:
    _arm_more(next((role for role in (PULL, WORK) if role in sys.orig_argv[:4]), ""))
