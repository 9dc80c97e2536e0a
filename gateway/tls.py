"""TLS contexts for every listener and client, by PS3.15 B.12 (BCP 195: RFC 8996, RFC 9325).

TLS 1.2 with forward secrecy and AEAD, or 1.3. A renewed certificate counts from the next connection.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from stat import S_ISREG
from threading import Event as Signal
from threading import Lock, Thread
from time import monotonic
from typing import Any

from gateway.errors import ConfigurationError
from gateway.settings import TLS, ClientTLS
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.threads import bound_start

AGAIN_SECONDS = 10.0
"""Seconds after which files that could not be used are tried again."""

READ_SECONDS = 2.0
"""Seconds that a connection waits for the files; their disk, or the server of their mount, may not answer."""

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
        _check_files(tls)
        context.load_cert_chain(tls.certificate, tls.key, _refuse_to_ask)
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
        _check_files(tls)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, _refuse_to_ask)
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        else:
            context.load_default_certs()
    except OSError as error:
        raise ConfigurationError(f"tls: certificate, key or ca cannot be used ({error})") from None
    return context


def _check_files(tls: TLS | ClientTLS) -> None:
    """Raise `OSError` for a pipe or device: whoever opens it may wait for ever."""
    for path in _files_of(tls):
        if not S_ISREG(path.stat().st_mode):
            raise OSError(f"{path} is no regular file")


def _files_of(tls: TLS | ClientTLS) -> list[Path]:
    return [path for path in (tls.certificate, tls.key, tls.ca) if path is not None]


def _refuse_to_ask() -> str:
    """Stand in for OpenSSL's question at the terminal, for which a gateway would wait for ever."""
    raise OSError("the key is encrypted: store it without a passphrase")


class ReloadingContext:
    """The context of a server, read again when one of its files has changed, owner and rights included.

    Each connection costs three calls of `stat`; a signal would have to reach the right process. Files that
    could not be read are tried again with a connection, `AGAIN_SECONDS` later: a descriptor may have lacked.
    A thread of its own reads, which may be lost to a disk that does not answer.

    Raises
    ------
    ConfigurationError
        If the files cannot be used at the start.
    """

    def __init__(self, tls: TLS, setting: str) -> None:
        self._tls, self._setting = tls, setting
        self._lock = Lock()
        self._look: tuple[float, Signal] | None = None
        self._again_at = float("inf")
        self._told = ""
        self._seen = self._stamp()
        self._context = server_context(tls, setting)

    def current(self) -> ssl.SSLContext:
        """Return the newest context that could be read; half a renewal changes nothing.

        Connections wait `READ_SECONDS` for files that cannot be read, and later ones not at all.
        """
        with self._lock:
            try:
                if self._look is None or self._look[1].is_set():
                    self._look = self._begun()
            except RuntimeError as error:  # no thread
                self._tell(f"{self._setting}: certificate, key and ca cannot be looked at ({error})")
                return self._context
            until, has_looked = self._look
        if not has_looked.wait(max(0.0, until - monotonic())):
            self._tell(f"{self._setting}: the disk of certificate, key or ca does not answer")
        return self._context

    def _begun(self) -> tuple[float, Signal]:
        """Begin to look at the files; return until when to wait for the signal that it is done."""
        has_looked = Signal()
        thread = Thread(target=self._read, args=(has_looked,), name=self._setting, daemon=True)
        bound_start(thread)
        thread.start()
        return monotonic() + READ_SECONDS, has_looked

    def _read(self, has_looked: Signal) -> None:
        try:
            stamp = self._stamp()
            if stamp != self._seen or monotonic() > self._again_at:
                self._reload()
                self._seen = stamp
        finally:
            has_looked.set()

    def _reload(self) -> None:
        try:
            self._context = server_context(self._tls, self._setting)
        except ConfigurationError as error:
            self._again_at = monotonic() + AGAIN_SECONDS
            self._tell(str(error))
        else:
            self._again_at, self._told = float("inf"), ""
            log_event(Event.CERTIFICATE_RELOADED, certificate=str(self._tls.certificate))

    def _tell(self, why: str) -> None:
        if self._told != why:
            log_event(Event.CERTIFICATE_NOT_RELOADED, reason=why)
            self._told = why

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in _files_of(self._tls)]


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
