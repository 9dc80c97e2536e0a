"""HAProxy before the receivers, as in `deploy/haproxy.cfg`: receivers learn the sender's address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_HEAD = """\
global
    maxconn 200
    maxpipes 200
    tune.pipesize 262144
defaults
    mode tcp
    option splice-request
    timeout connect 3s
    timeout client 400s
    timeout server 400s
    retries 2
    option redispatch
frontend dicom
    bind {bind}:{port}
    default_backend receivers
backend receivers
    balance leastconn
    default-server send-proxy-v2 check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
"""


def balancer(folder: Path, bind: str, port: int, receivers: Mapping[str, str]) -> list[str]:
    """Write HAProxy's settings for receivers, name → address; return its command."""
    lines = [f"    server {name} {address}:{port}\n" for name, address in receivers.items()]
    file = folder / "haproxy.cfg"
    file.write_text(_HEAD.format(bind=bind, port=port) + "".join(lines))
    return ["haproxy", "-db", "-f", str(file)]
