"""The one place that says what an error of the database means: later, or a bug of the gateway.

*Later* is the rule: a sender gets a temporary status, a request 503, a role waits; no image fails for it. A
bug is only what states that the gateway's own statement or row is wrong. SQLSTATE codes are those of
PostgreSQL's documentation, appendix A; SQLite's errors have classes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from gateway.errors import Retry

READ_ONLY = "25006"
"""The server has become a standby, or was made read-only."""

BUG_CLASSES = {
    "21": "cardinality",
    "22": "data that a column cannot hold",
    "23": "integrity",
    "42": "syntax, or rights and names",
}
"""Classes of SQLSTATE, its first two characters, that speak of the gateway's own statement or row."""

LATER_ALL_THE_SAME = {
    "42501": "no right: its administrator can give it",
    "42P01": "no such table: an upgrade or a restore is under way",
    "42703": "no such column: likewise",
    "42704": "no such object: likewise",
}
"""Codes of those classes that heal without another version of the gateway."""

HEALED_BY_PEOPLE = {"28": "who it is, and whether it may enter", "3D": "no such database"} | BUG_CLASSES
"""Classes of SQLSTATE for which a start does not wait: the settings or the server's rights are wrong."""

REFUSED_TO_ENTER = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",  # a database or a role
    "not permitted to log in",
    "permission denied",
    "does not support SSL",
    "certificate",
    "invalid ",  # an option of the URL
    "no such database",  # PgBouncer
    "no such user",
)
"""Words of libpq and servers on a connection that is refused for good; it hands on no SQLSTATE then.

A server that speaks another language is waited for: the log has its words.
"""

UNKNOWN_NAME = ("failed to resolve host", "could not translate host name")

_BUGS = (sa.exc.IntegrityError, sa.exc.DataError)


def is_for_later(error: sa.exc.SQLAlchemyError) -> bool:
    """Tell whether the same statement may succeed later; unknown errors may."""
    if isinstance(error, sa.exc.TimeoutError):  # of the pool: no connection is free
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    code = sqlstate(error)
    if code is None:
        return not isinstance(error, _BUGS)
    return code in LATER_ALL_THE_SAME or code[:2] not in BUG_CLASSES


def heals_by_itself(error: sa.exc.SQLAlchemyError) -> bool:
    """Tell whether a start should wait for a database that it cannot open."""
    code = sqlstate(error)
    if code is not None:
        return code[:2] not in HEALED_BY_PEOPLE
    said = str(getattr(error, "orig", None) or error)
    return is_for_later(error) and not any(words in said for words in REFUSED_TO_ENTER)


def sqlstate(error: BaseException | None) -> str | None:
    """Return the code that the server gave; None for a lost connection and where the driver gave none."""
    code = getattr(getattr(error, "orig", error), "sqlstate", None)
    return str(code) if code else None


@contextmanager
def errors_are_for_later() -> Iterator[None]:
    """Turn an error of the database into `Retry`, unless it is a bug of the gateway."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        if not is_for_later(error):
            raise
        raise Retry(told_by(error)) from error


def told_by(error: sa.exc.SQLAlchemyError) -> str:
    """Return what a database error says, on one line."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    return f"the database does not answer: {said}"
