"""HTTP/1.1 requests to a server (RFC 9112), a connection for each.

Deliveries by STOW-RS and FHIR, pulls from DICOMweb servers and requests to model servers call this.
Whatever the server does, a request ends within `timeout_seconds` of its settings after the last byte was
taken. At most `MAX_ANSWER_BYTES` of an answer are held: head, interim answers and compressed content
included. Redirects are not followed.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import threading
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from time import monotonic
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlsplit

from gateway.client.connection import Connection, Patience, Stopped
from gateway.client.exchange import Interrupted, TooLarge, Unanswered, Unreached
from gateway.errors import ConfigurationError
from gateway.peer_text import clean
from gateway.settings import ClientTLS
from gateway.settings.web_server import WebServer
from gateway.tls import client_context, problem_of

MAX_ANSWER_BYTES = 1024 * 1024
"""Store Instances Responses take some hundred bytes, metadata of an SR some ten thousand."""

LONGEST_RETRY_AFTER_SECONDS = 86_400.0

_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_BLOCK_BYTES = 64 * 1024
_LONGEST_DATE = 64  # characters
_LAST_WORD_SECONDS = 1.0  # for an answer that came before all was sent


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `content` is what it held before compression, `headers` have names in lower case."""

    url: str
    status: int
    reason: str
    location: str
    content: bytes
    content_type: str = ""
    retry_after: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Tell whether the status is of the class 2xx."""
        return 200 <= self.status < 300

    @property
    def retry_after_seconds(self) -> float | None:
        """Seconds for which the server asks to be left alone (RFC 9110 10.2.3), at most a day."""
        try:
            seconds = float(self.retry_after) if self.retry_after.isdecimal() else _until(self.retry_after)
        except (TypeError, ValueError, OverflowError):
            return None
        return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)

    @property
    def redirection(self) -> str:
        """The sentence that tells of a redirect and its remedy; empty where the answer is none."""
        told = f"it redirects to {self.location}, and redirects are not followed; correct the url"
        return told if self.location else ""

    @property
    def page(self) -> str:
        """The sentence that tells of a web page; empty where the answer is none.

        A web page is the word of a proxy or a web server: it says nothing of what was sent to the service.
        """
        if not is_page(self.content):
            return ""
        title = _TITLE.search(self.content)
        named = clean(" ".join(title[1].decode("utf-8", "replace").split()), 100) if title else ""
        return "a web page answered, not the service" + (f": {named}" if named else "")

    def __str__(self) -> str:
        return f"{self.url}: {self.status} {self.reason}".rstrip()


def is_page(content: bytes) -> bool:
    """Tell whether the content of an answer is a web page."""
    return content[:200].lstrip(b"\xef\xbb\xbf\0\t\r\n ").lower().startswith((b"<!doctype html", b"<html"))


class WebClient:
    """Sends requests to one server, with its credentials and trust.

    Parameters
    ----------
    stopping
        Once set, a request is ended within seconds.
    patience
        In the place of that of the server's `timeout_seconds`.
    most_bytes
        Size of an answer beyond which it is not read; a download has its own.
    """

    def __init__(
        self,
        server: WebServer,
        stopping: threading.Event | None = None,
        *,
        patience: Patience | None = None,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._server = server
        self._patience = patience or Patience(server.timeout_seconds, stopping)
        self._most_bytes = most_bytes

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Sequence[bytes] = (),
        download: Download | None = None,
    ) -> Answer:
        """Send a request and return its answer; `path` is below the server's URL.

        Parameters
        ----------
        download
            Takes the content of a success, which may be long; without it the content is in the answer.

        Raises
        ------
        Unreached, Unanswered
        """
        url = self._server.url.rstrip("/") + path
        connection = Connection(self._patience)
        try:
            host = self._connect(connection, url)
            return self._exchange(
                connection, url, _head(method, url, host, self._headers(headers, body)), body, download
            )
        finally:
            connection.close()

    def _headers(self, headers: Mapping[str, str], body: Sequence[bytes]) -> dict[str, str]:
        length = {"Content-Length": str(sum(map(len, body)))} if body else {}
        fixed = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "CXR-Gateway"}
        return {**fixed, **self._authorization(), **headers, **length}

    def _authorization(self) -> dict[str, str]:
        server = self._server
        if server.bearer_token is not None:
            return {"Authorization": f"Bearer {server.bearer_token.get_secret_value()}"}
        if server.username is None:
            return {}
        password = server.password.get_secret_value() if server.password else ""
        return {"Authorization": f"Basic {b64encode(f'{server.username}:{password}'.encode()).decode()}"}

    def _connect(self, connection: Connection, url: str) -> str:
        """Connect and shake hands; return the Host header's value."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            is_secure = parts.scheme == "https"
            context = self._context() if is_secure else None
            connection.open(host, parts.port or (443 if is_secure else 80))
            if context is not None:
                connection.secure(context, host)
            return parts.netloc.encode("idna" if not parts.netloc.isascii() else "ascii").decode("ascii")
        except ssl.SSLError as error:
            raise Unreached(f"{url}: {problem_of(error)}") from error
        except (ConfigurationError, Stopped) as error:
            raise Unreached(f"{url}: {error}") from error
        except (socket.gaierror, UnicodeError) as error:
            raise Unreached(f"{url}: the host is not known ({_words(error)})") from error
        except (OSError, ValueError) as error:
            raise Unreached(f"{url}: nothing answers there ({_words(error)})") from error

    def _context(self) -> ssl.SSLContext:
        server = self._server
        files = ClientTLS(ca=server.ca, certificate=server.certificate, key=server.key)
        try:
            return client_context(files)
        except ConfigurationError as error:
            named = ", ".join(str(path) for _, path in files if path)
            raise ConfigurationError(f"{error}: {named}") from None

    def _exchange(
        self,
        connection: Connection,
        url: str,
        head: bytes,
        body: Sequence[bytes],
        download: Download | None,
    ) -> Answer:
        try:
            try:
                self._patience.begin(sum(map(len, body)))
                for part in (head, *body):
                    connection.send(part)
                self._patience.begin()
            except OSError:
                self._patience.begin(seconds=min(_LAST_WORD_SECONDS, self._server.timeout_seconds))
                # some servers refuse before they have read all
                return _answer(connection, url, self._most_bytes, download)
            return _answer(connection, url, self._most_bytes, download)
        except Stopped as error:
            raise Interrupted(f"{url}: {error}") from error
        except TimeoutError as error:
            raise Unanswered(
                f"{url}: no whole answer within {self._server.timeout_seconds:g} s", is_silent=True
            ) from error
        except ssl.SSLError as error:
            raise Unanswered(f"{url}: {problem_of(error)}") from error
        except OSError as error:
            raise Unanswered(f"{url}: {_words(error)}{self._hint(url)}") from error

    def _hint(self, url: str) -> str:
        """With TLS 1.3 a refusal of our certificate comes while we send, and is not always read."""
        if not url.startswith("https:"):
            return ""
        return "; the server may have refused our certificate, or want one"


def _head(method: str, url: str, host: str, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{key}: {value}" for key, value in {"Host": host, **headers}.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _answer(connection: Connection, url: str, most_bytes: int, download: Download | None) -> Answer:
    incoming = _Incoming(connection, most_bytes)
    try:
        response = _final_response(incoming)
        if download is not None and 200 <= response.status < 300:
            incoming.expect(download)
        content = io.BytesIO()
        file = content if incoming.download is None else incoming.download.file
        for block in _plain(response, incoming.limit):
            file.write(block)
        if response.length:
            raise Unanswered(f"{url}: the answer ended {response.length} bytes early")
        return Answer(
            url,
            response.status,
            clean(response.reason, 100),
            clean(response.getheader("Location", ""), 300),
            content.getvalue(),
            clean(response.getheader("Content-Type", ""), 300),
            response.getheader("Retry-After", "").strip()[:_LONGEST_DATE],
            {name.lower(): value for name, value in response.getheaders()},
        )
    except RemoteDisconnected:
        raise ConnectionResetError("it closed the connection before it answered") from None
    except _TooMuchError:
        raise TooLarge(f"{url}: an answer of more than {-(-incoming.limit >> 20)} MB") from None
    except (HTTPException, ValueError, zlib.error) as error:
        told = clean(str(error) or type(error).__name__, 100)
        raise Unanswered(f"{url}: the answer is not HTTP ({told})") from None


def _final_response(incoming: _Incoming) -> HTTPResponse:
    """Return the answer behind all interim ones, as 103 (RFC 9110 15.2); http.client skips 100 alone."""
    while True:
        response = HTTPResponse(cast(socket.socket, incoming))
        response.begin()
        if response.status >= HTTPStatus.OK or response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return response
        response.fp = None  # type: ignore[assignment]  # it would close what the next one reads from


def _plain(response: HTTPResponse, most_bytes: int) -> Iterator[bytes]:
    """Yield the content; a compression is undone, though none was offered."""
    coding = response.getheader("Content-Encoding", "").strip().lower()
    blocks = iter(lambda: response.read(_BLOCK_BYTES), b"")
    if coding in ("", "identity"):
        yield from blocks
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"Content-Encoding {clean(coding, 40)}, though none was offered")
    decompressor = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    size = 0
    for block in blocks:
        rest = block
        while rest:
            plain = decompressor.decompress(rest, _BLOCK_BYTES)
            size += len(plain)
            if size > most_bytes:
                raise _TooMuchError
            yield plain
            rest = decompressor.unconsumed_tail
    if size and not decompressor.eof:
        raise ValueError("its compressed content is cut off")
    yield decompressor.flush()


class _TooMuchError(Exception):
    """The answer is larger than any that is worth reading."""


@dataclass(frozen=True, slots=True)
class Download:
    """Where the content of a long answer goes, and how long it may be.

    Attributes
    ----------
    most_bytes
        Head included.
    seconds
        For the answer as a whole; each byte is progress.
    """

    file: BinaryIO
    most_bytes: int
    seconds: float


class _Incoming(io.RawIOBase):
    """The source that http.client reads from: the connection, up to the limit."""

    def __init__(self, connection: Connection, most_bytes: int) -> None:
        self._connection = connection
        self._taken = 0
        self._end = float("inf")
        self._reader: io.BufferedReader[Any] = io.BufferedReader(self)
        self.limit = most_bytes
        self.download: Download | None = None

    def expect(self, download: Download) -> None:
        """Read a long answer from now on."""
        self.download, self.limit = download, download.most_bytes
        self._end = monotonic() + download.seconds

    def makefile(self, *_: Any) -> io.BufferedReader[Any]:
        return self._reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.download is not None:
            if monotonic() > self._end:
                raise TimeoutError
            self._connection.patience.begin()
        taken = self._connection.take(len(buffer))
        self._taken += len(taken)
        if self._taken > self.limit:
            raise _TooMuchError
        buffer[: len(taken)] = taken
        return len(taken)


def _until(date: str) -> float:
    """Return the seconds until a date of HTTP.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()


def _words(error: BaseException) -> str:
    return clean(getattr(error, "strerror", None) or error, 200)
