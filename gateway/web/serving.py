"""The web server: one port, bound before anybody is told."""

from __future__ import annotations

import socket
import threading
import time

import uvicorn

from gateway.errors import ConfigurationError
from gateway.tls import server_context
from gateway.web.application import create_application
from gateway.web.site import Site

KEEP_ALIVE_SECONDS = 30
MOST_CONNECTIONS = 200


class WebServer:
    """uvicorn in a thread of its own, so that signals stay the role's."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._socket = _bound(site)
        tls, proxies = site.settings.web.tls, [str(each) for each in site.settings.web.trusted_proxies]
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_application(site),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=round(site.settings.shutdown_seconds),
                limit_concurrency=MOST_CONNECTIONS,
                ws="none",
                lifespan="off",
                ssl_context_factory=(lambda *_: server_context(tls)) if tls else None,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="web")

    @property
    def url(self) -> str:
        """Where it is found."""
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
        try:
            self._server.config.load()
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("scp.tls", "web.tls")) from None
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self, timeout_seconds: float) -> None:
        """Take nothing new, finish what is being answered."""
        self._server.should_exit = True
        self._thread.join(timeout_seconds)
        self._site.display.close()
        self._site.oracle.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _bound(site: Site) -> socket.socket:
    bind, port = site.settings.web.bind, site.settings.web.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"web.bind: {bind}: {error.strerror}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        problem = f"web.port: cannot listen on {bind}:{port} ({error.strerror})"
        raise ConfigurationError(problem) from None
    return listening
