"""A receiver, a site and a browser for each test; a module whose tests share one has its own fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.web.site import Site
from tests.support.receiving import Receiver, receiving
from tests.support.site import Browser, browsing, site_in
from tests.wire.answered import Rows


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    """One receiver for all ROWS of a module."""
    with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield Rows(running, request.module.ROWS)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_in(tmp_path)


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        yield browser
