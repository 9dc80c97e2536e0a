"""`gateway prove --cluster`, in small: hosts, cables and servers fail. In full: `make prove-cluster`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.missing_peer import leave_out

HANGS_SECONDS = 900  # a bound for what hangs
PROGRAMS = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "haproxy": "haproxy"}


@pytest.fixture
def _cluster() -> None:
    """Leave the test out where no cluster can be made, but never in CI."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None}
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing.add("postgresql")
    if missing:
        leave_out(f"programs of a cluster are missing: apt-get install {' '.join(sorted(missing))}")
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        leave_out("this user may not make network namespaces")


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_a_cluster_whose_hosts_and_servers_fail_loses_nothing_and_answers_nothing_twice() -> None:
    command = [sys.executable, "-m", "gateway", "prove", "--cluster"]
    command += ["--images", "20", "--faults", "8", "--senders", "2", "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGS_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = dict(line.rsplit(maxsplit=1) for line in map(str.strip, done.stdout.splitlines()) if line)
    assert counted["faults"] == "8"
    assert counted["acknowledged"] == counted["answered"] == "20"
    assert counted["lost"] == counted["duplicated result objects"] == "0"
