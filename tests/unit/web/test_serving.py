"""The web port is bound before anybody is told; a server that does not begin keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError, GatewayError
from gateway.threads import release_vital
from gateway.web import serving
from gateway.web.serving import WebServer
from gateway.web.site import Site
from tests.support.site import site_in


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield site_in(tmp_path)
    release_vital()


def test_a_port_is_taken_before_its_server_starts(site: Site) -> None:
    first = WebServer(site)
    web = site.settings.web.model_copy(update={"port": first._socket.getsockname()[1]})
    object.__setattr__(site, "settings", site.settings.model_copy(update={"web": web}))
    with pytest.raises(ConfigurationError, match=r"web\.port: cannot listen"):
        WebServer(site)
    first._socket.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_does_not_begin_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: Any) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(serving._Server, "run", fail)
    server = WebServer(site)
    with pytest.raises(GatewayError, match="has ended before it served"):
        server.start()
    server._socket.close()
