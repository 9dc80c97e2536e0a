"""The table of roles: which role each page, fragment, file and call of the API needs.

`Guard` asks it before a request is read. A path that the table does not name needs `viewer` to be read and
`administrator` for anything else. Every role looks; `reader` and `administrator` do not include each other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.routing import compile_path

from gateway.settings import Role

EVERY_ROLE: Final[tuple[Role, ...]] = ("viewer", "reader", "administrator")
READ: Final = "GET"
"""The method of a row that also holds for HEAD."""

_IMAGE = "/instances/{sop_instance_uid}"
TABLE: Final[tuple[tuple[str, str, Role], ...]] = (
    (READ, "/", "viewer"),
    (READ, "/worklist", "viewer"),
    (READ, _IMAGE, "viewer"),
    (READ, f"{_IMAGE}/status", "viewer"),
    (READ, f"{_IMAGE}/route", "viewer"),
    (READ, f"{_IMAGE}/thumbnail", "viewer"),
    (READ, f"{_IMAGE}/pixels", "viewer"),
    (READ, f"{_IMAGE}/activation", "viewer"),
    (READ, f"{_IMAGE}/scale", "viewer"),
    (READ, f"{_IMAGE}/priors", "viewer"),
    (READ, f"{_IMAGE}/preview", "viewer"),
    (READ, "/worklist.csv", "reader"),
    (READ, "/studies/{study_instance_uid}/zip", "reader"),
    (READ, "/bulk", "administrator"),
    (READ, "/pulls", "viewer"),
    (READ, "/dashboard", "viewer"),
    (READ, "/concordance", "viewer"),
    (READ, "/refusals", "viewer"),
    (READ, "/docs", "viewer"),
    (READ, "/openapi.json", "viewer"),
    (READ, "/metrics", "viewer"),
    (READ, "/api/instances", "viewer"),
    (READ, f"/api{_IMAGE}", "viewer"),
    (READ, "/api/refusals", "viewer"),
    (READ, "/upload", "reader"),
    (READ, f"{_IMAGE}/download/json", "reader"),
    (READ, f"{_IMAGE}/download/{{what}}", "reader"),
    ("POST", f"{_IMAGE}/feedback", "reader"),
    ("POST", "/predict", "reader"),
    ("POST", "/predict/{kind}", "reader"),
    ("POST", "/dicomweb/studies", "reader"),
    ("POST", "/dicomweb/studies/{study_instance_uid}", "reader"),
    ("POST", f"{_IMAGE}/retry", "administrator"),
    ("POST", f"{_IMAGE}/resend", "administrator"),
    ("POST", f"/api{_IMAGE}/retry", "administrator"),
    ("POST", "/bulk", "administrator"),
    ("POST", "/pulls/again", "administrator"),
    ("POST", "/search", "viewer"),
    ("POST", "/logout", "viewer"),
)
_PATTERNS = tuple((method, compile_path(path)[0], role) for method, path, role in TABLE)


def needed_role(method: str, path: str) -> Role:
    """Return the role that a request needs, by the table's first row that fits."""
    read = method in {"GET", "HEAD"}
    for of_row, pattern, role in _PATTERNS:
        if of_row == (READ if read else method) and pattern.match(path):
            return role
    return "viewer" if read else "administrator"


def may(roles: Collection[Role], needed: Role) -> bool:
    """Tell whether a user with these roles may do what needs the role `needed`."""
    return needed in roles or (needed == "viewer" and bool(roles))
