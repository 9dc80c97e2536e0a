"""The web server: one port, bound before anybody is told."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

from gateway.errors import ConfigurationError, GatewayError
from gateway.threads import Vital
from gateway.tls import reloading_context
from gateway.web.application import create_application
from gateway.web.http_connection import HttpConnection
from gateway.web.listener import Connections, Listener, Phase
from gateway.web.site import Site

TICK_SECONDS = 1.0


class _Server(uvicorn.Server):
    """uvicorn's server, which wakes once a second, for the header `Date`, instead of ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, once the application has imported and built what its first request needs.

        Descriptors may lack by the time of a real request; a health check must be answered all the same.
        """
        await self.config.loaded_app(_FIRST_REQUEST, _no_body, _no_answer)
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Serve until `end`."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK_SECONDS)

    def end(self) -> None:
        """Let the main loop end; called in another thread, once the server has started."""
        self.should_exit = True
        with suppress(RuntimeError):  # the loop has ended by itself
            self.servers[0].get_loop().call_soon_threadsafe(self._ending.set)


_FIRST_REQUEST = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/health/live",
    "raw_path": b"/health/live",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 0),
    "server": ("localhost", 0),
}


async def _no_body() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _no_answer(_: object) -> None:
    """Send the answer to nobody."""


class WebServer:
    """uvicorn in a thread of its own, so that signals stay the role's."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._socket = _bound(site)
        self._socket.connections = Connections(site.settings.web.trusted_proxies)
        connection: Any = partial(HttpConnection, self._socket.connections)  # uvicorn only calls it
        tls, proxies = site.settings.web.tls, [str(each) for each in site.settings.web.trusted_proxies]
        self._server = _Server(
            uvicorn.Config(
                create_application(site),
                http=connection,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_keep_alive=round(Phase.IDLE.seconds),
                timeout_graceful_shutdown=round(site.settings.shutdown_seconds),
                ws="none",
                lifespan="off",
                ssl_context_factory=(lambda *_: reloading_context(tls, "web.tls")) if tls else None,
            )
        )
        self._thread = Vital(self._serve, "web")

    @property
    def url(self) -> str:
        """The address of the pages."""
        host, port, *_ = self._socket.getsockname()
        scheme = "https" if self._site.settings.web.tls else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def start(self) -> None:
        """Serve; when this returns, requests are answered.

        Raises
        ------
        ConfigurationError
            If the TLS files cannot be used.
        """
        self._server.config.load()
        self._thread.start()
        while not self._server.started:
            if problem := self._thread.problem():
                raise GatewayError(f"the web server {problem} before it served")
            time.sleep(0.01)

    def stop(self, timeout_seconds: float) -> None:
        """Take nothing new, finish what is being answered."""
        self._thread.release()
        self._server.end()
        self._thread.join(timeout_seconds)
        self._socket.connections.close()
        self._site.display.close()
        self._site.sandbox.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _bound(site: Site) -> Listener:
    bind, port = site.settings.web.bind, site.settings.web.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
        listening = Listener(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"web.bind: {bind}: {error.strerror}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()  # two sockets may be bound to a port, but one alone listens there
    except OSError as error:
        listening.close()
        problem = f"web.port: cannot listen on {bind}:{port} ({error.strerror})"
        raise ConfigurationError(problem) from None
    return listening
