"""Checks the listening ports, the hosts of the peers, and the certificates."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from time import monotonic

from cryptography import x509

from gateway.deliver.destinations import open_destinations
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.errors import ConfigurationError, GatewayError, Retry
from gateway.requestor.endings import Rejected
from gateway.requestor.negotiation import BUSY, CALLED_NOT_RECOGNISED
from gateway.requestor.storage_scu import DicomNode, Unsupported, echo
from gateway.settings import Peer, Settings
from gateway.tls import server_context

PATIENCE_SECONDS = 5.0
SLOW_NAME_SECONDS = 2.0
MOST_BYTES = 10_000
EXPIRES_SOON = timedelta(days=30)


def listener(settings: Settings) -> Iterator[Finding]:
    """Yield whether this gateway, another program or nothing listens on the DICOM port."""
    scp = settings.scp
    where = f"{scp.bind}:{scp.port}"
    if not is_answered(scp.bind, scp.port):
        yield _free("listener", scp.bind, scp.port, "scp.port")
        return
    host = _reachable(scp.bind)
    why_silent = _why_not_asked(settings, host)
    if why_silent:
        yield good("listener", f"something listens on {where}; {why_silent} it is not asked who it is")
        return
    try:
        echo(DicomNode(scp.ae_title, host, scp.port, scp.ae_title, PATIENCE_SECONDS))
    except Rejected as problem:
        yield _rejecting(where, problem, settings)
    except (Retry, Unsupported) as problem:
        yield _foreign(where, problem, settings)
    else:
        yield good("listener", f"{scp.ae_title} answers on {where}")


def _why_not_asked(settings: Settings, host: str) -> str | None:
    if settings.scp.tls is not None:
        return "with TLS"
    if settings.scp.is_proxy(host):
        return "from an address of scp.trusted_proxies"
    return None


def _rejecting(where: str, problem: Rejected, settings: Settings) -> Finding:
    if problem.why in BUSY:
        told = f"a DICOM node runs on {where} and takes no associations now: {problem}"
        return doubtful("listener", told, "here: is the disk nearly full? else scp.max_associations are open")
    if problem.why != CALLED_NOT_RECOGNISED and settings.scp.peers:
        return good("listener", f"a DICOM node runs on {where} and takes peers only")
    return _foreign(where, problem, settings)


def _foreign(where: str, problem: GatewayError, settings: Settings) -> Finding:
    advice = f"here: stop what uses port {settings.scp.port}, or change scp.port"
    return wrong("listener", f"{where} is used, not by this gateway: {problem}", advice)


def web(settings: Settings) -> Iterator[Finding]:
    """Yield whether a gateway, another program or nothing listens on the port of the pages."""
    bind, port = settings.web.bind, settings.web.port
    if not is_answered(bind, port):
        yield _free("web", bind, port, "web.port")
    elif settings.web.tls and settings.web.tls.ca:
        yield good("web", f"something listens on {bind}:{port}; it asks for a certificate and is not asked")
    elif _has_health(settings):
        yield good("web", f"a gateway's pages answer on {bind}:{port}")
    else:
        advice = f"here: stop what uses port {port}, or change web.port"
        yield wrong("web", f"{bind}:{port} is used, not by a gateway", advice)


def _has_health(settings: Settings) -> bool:
    """Tell whether `/health/live` is answered as a gateway does, ready or not."""
    address = _reachable(settings.web.bind), settings.web.port
    unverified = ssl._create_unverified_context()  # noqa: S323 - the name on the certificate is the pages'
    connection = (
        HTTPSConnection(*address, timeout=PATIENCE_SECONDS, context=unverified)
        if settings.web.tls
        else HTTPConnection(*address, timeout=PATIENCE_SECONDS)
    )
    try:
        connection.request("GET", "/health/live")
        told = json.loads(connection.getresponse().read(MOST_BYTES))
        return isinstance(told, dict) and "status" in told
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def peers(settings: Settings) -> Iterator[Finding]:
    """Yield whether the host of each peer resolves, and how fast."""
    for peer in settings.scp.peers:
        yield _peer(peer)
    if not settings.scp.peers:
        yield good("peers", "anybody on this machine may send")


def certificate(settings: Settings) -> Iterator[Finding]:
    """Yield the validity of all certificates and keys."""
    if settings.scp.tls is not None:
        try:
            server_context(settings.scp.tls, "scp.tls")
        except ConfigurationError as error:
            yield wrong("listener's TLS", str(error), "here: the files under scp.tls")
        else:
            yield from _validity("listener's TLS", settings.scp.tls.certificate)
    for destination in open_destinations(settings).values():
        if destination.certificate is not None:
            yield from _validity(destination.title, destination.certificate)


def is_answered(bind: str, port: int) -> bool:
    """Tell whether something listens there."""
    try:
        socket.create_connection((_reachable(bind), port), PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


def _free(what: str, bind: str, port: int, setting: str) -> Finding:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        socket.create_server((bind, port), family=family).close()
    except PermissionError:
        return wrong(what, f"port {port} is not for this user", f"here: {setting} of 1024 or more")
    except OSError as error:
        advice = f"here: an address of this machine, and a free {setting}"
        return wrong(what, f"{bind}:{port} cannot be used: {error.strerror or error}", advice)
    return good(what, f"{bind}:{port} is free; the gateway does not run")


def _reachable(bind: str) -> str:
    """Return an address of this machine for connections to a listener at `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)  # noqa: S104


def _peer(peer: Peer) -> Finding:
    what = f"peer {peer.ae_title}"
    begun = monotonic()
    try:
        found = socket.getaddrinfo(peer.host, None)
    except OSError:
        advice = f"here: the host under scp.peers, or the DNS; until then {peer.ae_title} is rejected"
        return wrong(what, f"{peer.host} is not known", advice)
    seconds = monotonic() - begun
    if seconds > SLOW_NAME_SECONDS:
        advice = "here: the DNS, or an address instead of the name under scp.peers"
        return doubtful(
            what, f"{peer.host} took {seconds:.0f} s to resolve: associations wait for it", advice
        )
    addresses = sorted({str(entry[4][0]) for entry in found})
    return good(what, f"may send from {', '.join(addresses)}")


def _validity(what: str, path: Path) -> Iterator[Finding]:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        yield wrong(what, f"{path}: no certificate ({error})", "here: a PEM file")
        return
    left = found.not_valid_after_utc - datetime.now(UTC)
    until = f"{path.name} is valid until {found.not_valid_after_utc:%Y-%m-%d}"
    if left < timedelta(0):
        yield wrong(what, f"{path.name} expired on {found.not_valid_after_utc:%Y-%m-%d}", "here: renew it")
    elif left < EXPIRES_SOON:
        yield doubtful(what, until, "here: renew it; the files are read anew without a restart")
    else:
        yield good(what, until)
