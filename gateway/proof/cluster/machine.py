"""Moves the experiment into namespaces of its own: whatever it leaves behind ends with it."""

from __future__ import annotations

import os
import shutil
import sys

from gateway.errors import ConfigurationError

_INSIDE = "CXR_PROVE_INSIDE"
_PACKAGES = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "haproxy": "haproxy"}
_SUPERUSER_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def enter_own_machine() -> None:
    """Start this command again in namespaces of network, mounts and process IDs, unless it runs in them.

    Raises
    ------
    ConfigurationError
        If this user may not make namespaces, or a program is missing.
    """
    if os.environ.pop(_INSIDE, None):
        return
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{_SUPERUSER_PATH}"
    if os.geteuid() != 0:
        raise ConfigurationError("--cluster: run it as root, who may make network namespaces")
    missing = sorted({package for program, package in _PACKAGES.items() if shutil.which(program) is None})
    if missing:
        raise ConfigurationError(f"--cluster: programs are missing: apt-get install {' '.join(missing)}")
    spaces = ("--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
    command = ["unshare", *spaces, sys.executable, "-m", "gateway", *sys.argv[1:]]
    sys.stdout.flush()
    os.execvpe("unshare", command, os.environ | {_INSIDE: "yes"})  # noqa: S606 - its arguments are this command's
