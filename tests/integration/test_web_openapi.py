"""The API's description is true: requests made from it get the answers that it promises."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance

from gateway.store.workers import Workers
from gateway.web.site import Site
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.site import Browser, add_answer, browsing, site_in
from tests.support.sources import dx

CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
HEALTH = list(HealthCheck)


@schemathesis.serializer("multipart/related")
def _related(_: Any, value: Any) -> bytes:
    """Send whatever bytes were made up as the body."""
    return value.data if hasattr(value, "data") else str(value).encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = site_in(tmp_path_factory.mktemp("site"))
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    return site


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        yield browser


OPERATIONS = [
    ("GET", "/api/instances"),
    ("GET", "/api/instances/{sop_instance_uid}"),
    ("POST", "/api/instances/{sop_instance_uid}/retry"),
    ("GET", "/api/refusals"),
    ("POST", "/predict"),
    ("POST", "/predict/{kind}"),
    ("POST", "/dicomweb/studies"),
    ("POST", "/dicomweb/studies/{study_instance_uid}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
def test_answers_are_as_described(site: Site, browser: Browser, method: str, path: str) -> None:
    description = schemathesis.openapi.from_url(f"{browser.url}/openapi.json")

    @given(case=description[path][method].as_strategy())
    @settings(max_examples=10, derandomize=True, database=None, suppress_health_check=HEALTH)
    def check(case: schemathesis.Case[Any]) -> None:
        Workers(site.ledger).beat("here-1")  # silent for a minute, the site is not ready
        case.call_and_validate(checks=CHECKS, timeout=PATIENCE_SECONDS)

    check()


def test_every_operation_is_checked(browser: Browser) -> None:
    paths = browser.get("/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described - {("GET", "/metrics")} == set(OPERATIONS)
