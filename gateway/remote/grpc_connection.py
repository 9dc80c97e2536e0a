"""One gRPC connection to a model server, with one deadline. The only file that imports grpcio.

grpcio says UNAVAILABLE of a server that is away, of one that is busy, and of one that the request has killed.
The state of the connection tells these apart.
"""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

from gateway.errors import ConfigurationError
from gateway.peer_text import clean
from gateway.remote.failures import Away, Broke, Busy
from gateway.settings import ClientTLS
from gateway.settings.web_server import WebServer
from gateway.tls import client_context

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # lines of its own on standard error are no log

try:
    import grpc
    from google.protobuf.message import DecodeError

    from gateway.remote.messages import SERVICE, TYPES
except ImportError as absent:  # an optional extra
    raise ConfigurationError(
        f"model.protocol: grpc needs grpcio and protobuf ({absent}); install them with:"
        " pip install 'cxr-gateway[grpc]', or write http"
    ) from absent

LOST_SECONDS = 1.0
"""Time in which the loss of a connection is noticed after a request that it ended."""

OWN_SHARE = 0.1
"""A server that says DEADLINE_EXCEEDED with more than this share of our time left speaks of its own limit."""

_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.primary_user_agent", "CXR-Gateway"),
]
_TOO_LARGE = ("larger than max", "exceeds maximum size")  # of grpcio and grpc-go, of grpc-java
_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
}


class GrpcConnection:
    """Asks one server within `timeout_seconds` from the start on; used as a context.

    Parameters
    ----------
    most_bytes
        Size of an answer beyond which it is not read.

    Raises
    ------
    Away, Broke
        Nothing answers there, a file for TLS cannot be used, or the server says that it is not ready.
    """

    def __init__(self, server: WebServer, most_bytes: int) -> None:
        self._server = server
        self._ends_at = monotonic() + server.timeout_seconds
        self._is_watched = False
        self._channel = _channel(server, [*_OPTIONS, ("grpc.max_receive_message_length", most_bytes)])

    def __enter__(self) -> Self:
        try:
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_watched:  # else grpcio's watching thread, which a closed channel breaks, frees it
            self._channel.close()

    def ask(self, method: str, **fields: Any) -> Any:
        """Return the answer to one request of the protocol.

        Raises
        ------
        Away, Broke
        """
        try:
            content = self._call(method, TYPES[f"{method}Request"](**fields).SerializeToString())
            return TYPES[f"{method}Response"].FromString(content)
        except DecodeError:
            raise Broke(f"{method}: the answer is not a message of the protocol") from None
        except grpc.RpcError as error:
            raise self._failure(method, error) from None

    def _call(self, method: str, content: bytes) -> bytes:
        token = self._server.bearer_token
        metadata = [("authorization", f"Bearer {token.get_secret_value()}")] if token else []
        call = self._channel.unary_unary(f"/{SERVICE}/{method}")
        answer: bytes = call(content, timeout=max(0.0, self._left()), metadata=metadata)
        return answer

    def _connect(self) -> None:
        """Ask whether the server is ready, so that no tensor is given to a channel without a connection."""
        try:
            content = self._call("ServerReady", b"")
            is_ready = TYPES["ServerReadyResponse"].FromString(content).ready
        except DecodeError:
            raise Broke("ServerReady: the answer is not a message of the protocol") from None
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise Away(f"nothing answers there ({clean(error.details(), 300)})") from None
            raise self._failure("ServerReady", error) from None
        if not is_ready:
            raise Busy("it says that it is not ready")

    def _failure(self, method: str, error: Any) -> Away | Broke:
        code, details = error.code(), str(error.details() or "")
        text = f"{method}: {code.name}: {clean(details, 200)}"
        if code is grpc.StatusCode.UNAVAILABLE:
            return Broke(f"{text} (the connection was lost)") if self._is_lost() else Busy(text)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Broke(text) if any(words in details for words in _TOO_LARGE) else Busy(text)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            if self._left() > OWN_SHARE * self._server.timeout_seconds:
                return Busy(text)
            return Broke(f"{method}: no answer within {self._server.timeout_seconds:g} s as a whole")
        return Broke(text, is_refusal=code in _REFUSALS)

    def _is_lost(self) -> bool:
        lost = threading.Event()

        def note(state: Any) -> None:
            if state is not grpc.ChannelConnectivity.READY:
                lost.set()

        self._is_watched = True
        self._channel.subscribe(note)
        found = lost.wait(LOST_SECONDS)
        self._channel.unsubscribe(note)
        return found

    def _left(self) -> float:
        return self._ends_at - monotonic()


def _channel(server: WebServer, options: list[tuple[str, Any]]) -> Any:
    parts = urlsplit(server.url)
    is_secure = parts.scheme == "https"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    target = f"dns:///{host}:{parts.port or (443 if is_secure else 80)}"
    if not is_secure:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, _credentials(server), options=options)


def _credentials(server: WebServer) -> Any:
    """Return the credentials of files that are read anew, so that a renewed certificate counts."""
    files = ClientTLS(ca=server.ca, certificate=server.certificate, key=server.key)
    try:
        context = client_context(files)  # it tells what is wrong with a file, which grpcio does not
        authorities = server.ca.read_bytes() if server.ca else _authorities_of_the_system(context)
        key, certificate = (path.read_bytes() if path else None for path in (server.key, server.certificate))
    except (ConfigurationError, OSError) as error:
        named = ", ".join(str(path) for _, path in files if path)
        raise Away(f"{error}: {named}") from None
    return grpc.ssl_channel_credentials(authorities, key, certificate)


def _authorities_of_the_system(context: ssl.SSLContext) -> bytes:
    """Return the system's authorities, PEM: grpcio would trust a list of its own."""
    found = "".join(map(ssl.DER_cert_to_PEM_cert, context.get_ca_certs(binary_form=True))).encode()
    folder = ssl.get_default_verify_paths().capath
    if found or folder is None:
        return found
    return b"\n".join(path.read_bytes() for path in sorted(Path(folder).glob("*.[0-9]")))
