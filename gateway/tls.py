"""TLS contexts for every listener and client, by PS3.15 B.12 (BCP 195: RFC 8996, RFC 9325).

TLS 1.2 with forward secrecy and AEAD, or 1.3. A renewed certificate counts from the next connection.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from gateway.errors import ConfigurationError
from gateway.settings import TLS, ClientTLS
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

AGAIN_SECONDS = 10.0
"""Seconds after which files that could not be used are tried again."""

CIPHERS_OF_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"  # RFC 9325 4.2; those of 1.3 are all of this kind


def server_context(tls: TLS, setting: str) -> ssl.SSLContext:
    """Return the context of a server; given a CA, both sides show certificates.

    Parameters
    ----------
    setting
        The settings key that names the files, for error texts: `scp.tls`, `web.tls`.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, or key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _apply_profile(context)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tls.ca)
    except OSError as error:
        raise ConfigurationError(f"{setting}: certificate, key or ca cannot be used ({error})") from None
    return context


def client_context(tls: ClientTLS) -> ssl.SSLContext:
    """Return the context of a client, for one connection.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, or key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _apply_profile(context)
    try:
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        else:
            context.load_default_certs()
    except OSError as error:
        raise ConfigurationError(f"tls: certificate, key or ca cannot be used ({error})") from None
    return context


class ReloadingContext:
    """The context of a server, read again when one of its files has changed, owner and rights included.

    Each connection costs three calls of `stat`; a signal would have to reach the right process. Files that
    could not be read are tried again with a connection, `AGAIN_SECONDS` later: a descriptor may have lacked.

    Raises
    ------
    ConfigurationError
        If the files cannot be used at the start.
    """

    def __init__(self, tls: TLS, setting: str) -> None:
        self._tls, self._setting = tls, setting
        self._lock = Lock()
        self._again_at = float("inf")
        self._told = ""
        self._seen = self._stamp()
        self._context = server_context(tls, setting)

    def current(self) -> ssl.SSLContext:
        """Return the newest context that could be read; half a renewal changes nothing."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen or monotonic() > self._again_at:
                self._reload()
                self._seen = stamp
            return self._context

    def _reload(self) -> None:
        try:
            self._context = server_context(self._tls, self._setting)
        except ConfigurationError as error:
            self._again_at = monotonic() + AGAIN_SECONDS
            if self._told != (told := str(error)):
                log_event(Event.CERTIFICATE_NOT_RELOADED, reason=told)
                self._told = told
        else:
            self._again_at, self._told = float("inf"), ""
            log_event(Event.CERTIFICATE_RELOADED, certificate=str(self._tls.certificate))

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for _, path in self._tls if path is not None]


def reloading_context(tls: TLS, setting: str) -> ssl.SSLContext:
    """Return a server's context for libraries that keep one: each handshake uses the newest files.

    Raises
    ------
    ConfigurationError
        If the files cannot be used at the start.
    """
    newest = ReloadingContext(tls, setting)

    def use_newest(connection: ssl.SSLObject, *_: Any) -> None:  # called also where a client names no server
        connection.context = newest.current()

    context = server_context(tls, setting)
    context.sni_callback = use_newest
    return context


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def problem_of(error: BaseException | None) -> str:
    """Return the cause of a failed handshake in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        return _IN_WORDS.get(reason, f"TLS failed: {reason}")
    return f"the connection failed: {error}"


_IN_WORDS = {
    "peer did not return a certificate": "the peer shows no certificate",
    "tlsv13 alert certificate required": "the peer asks for a certificate of ours",
    "sslv3 alert certificate expired": "the peer says that our certificate has expired",
    "sslv3 alert bad certificate": "the peer refuses our certificate",
    "sslv3 alert certificate unknown": "the peer refuses our certificate",
    "tlsv1 alert unknown ca": "the peer does not trust our certificate's authority",
    "http request": "no TLS: an HTTP request",
    "wrong version number": "no TLS",
    "unsupported protocol": "the peer offers only versions of TLS before 1.2",
    "no shared cipher": "the peer offers no cipher suite of BCP 195",
}


def _apply_profile(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS_OF_1_2)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
