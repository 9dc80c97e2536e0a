"""The table of roles beside the routes of the application."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from gateway.web.application import PRIVATE, PUBLIC
from gateway.web.security.guard import OPEN_PATHS
from gateway.web.security.roles import READ, TABLE, may, needed_role
from tests.support.site import site_in


def test_every_route_has_a_row_and_every_row_a_route(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    routes = [route for part in (*PUBLIC, *PRIVATE) for route in part.routes(site).routes]
    served = {
        (method, route.path)
        for route in routes
        if isinstance(route, APIRoute) and not route.path.startswith(OPEN_PATHS)
        for method in route.methods - {"HEAD"}
    }
    assert served | {(READ, "/openapi.json")} == {(method, path) for method, path, _ in TABLE}


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/instances/1.2/download/source", "reader"),
        ("HEAD", "/instances/1.2/download/source", "reader"),
        ("POST", "/instances/1.2/retry", "administrator"),
        ("GET", "/nowhere", "viewer"),
        ("DELETE", "/instances/1.2", "administrator"),
        ("POST", "/instances/1.2/download/source", "administrator"),
    ],
)
def test_what_the_table_does_not_name_is_read_by_all_and_changed_by_administrators(
    method: str, path: str, role: str
) -> None:
    assert needed_role(method, path) == role


def test_every_role_looks_and_none_includes_another() -> None:
    assert may(("administrator",), "viewer")
    assert not may(("administrator",), "reader")
    assert not may(("reader",), "administrator")
    assert not may(("viewer",), "reader")
