"""Which errors of a database are for later, and which are bugs."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from gateway.store.database_errors import BUG_CLASSES, LATER_ALL_THE_SAME, is_for_later

CODES = sorted({code for code in psycopg.errors._sqlcodes if len(code) == 5})


@pytest.mark.parametrize("code", CODES)
def test_every_error_that_postgresql_knows_is_for_later_unless_it_is_a_bug(code: str) -> None:
    error = sa.exc.DBAPIError.instance("", None, psycopg.errors.lookup(code)(), psycopg.Error)
    is_bug = code[:2] in BUG_CLASSES and code not in LATER_ALL_THE_SAME
    assert is_for_later(error) is not is_bug


@pytest.mark.parametrize(
    ("error", "later"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.errors.lookup("25006")(), True),
        (psycopg.DataError("a NUL in a text"), False),
        (psycopg.errors.lookup("42601")(), False),
        (psycopg.errors.lookup("23505")(), False),
    ],
)
def test_errors_of_the_driver_are_for_later_unless_a_value_is_wrong(
    error: psycopg.Error, later: bool
) -> None:
    assert is_for_later(sa.exc.DBAPIError.instance("", None, error, psycopg.Error)) is later


def test_a_pool_without_a_free_connection_is_for_later() -> None:
    assert is_for_later(sa.exc.TimeoutError())
    assert not is_for_later(sa.exc.ArgumentError())
