"""The associations of the receivers of all hosts, a row for each receiver: limits hold over all of them.

Called by `receive.all_hosts` where the database is PostgreSQL. A row is a lease: a receiver that is not heard
of for `LEASE_SECONDS` of the server's clock counts for nothing. Nothing here is an acknowledgement, so the
commits wait for no disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from gateway.store.ledger import Ledger
from gateway.store.schema import receivers

LEASE_SECONDS = 15
_LOCK = 0x6378725F72637672  # an advisory lock of this purpose alone
_PREPARE = sa.text(
    "SELECT pg_advisory_xact_lock(:lock), set_config('synchronous_commit', 'off', true)"
).bindparams(lock=_LOCK)
_TELL = sa.text("""
    INSERT INTO receivers (host, number, places, heard_at)
    SELECT CAST(:host AS bigint), CAST(:number AS int), :places, now()
    FROM set_config('synchronous_commit', 'off', true)
    ON CONFLICT (host, number) DO UPDATE SET places = excluded.places, heard_at = excluded.heard_at
""").bindparams(sa.bindparam("places", type_=sa.JSON))
_LEASED = receivers.c.heard_at > sa.text(f"now() - interval '{LEASE_SECONDS} seconds'")

Counts = Mapping[str, int]
"""Associations by the address of the peer."""


class Receivers:
    """The row of one receiver among those of all hosts.

    Parameters
    ----------
    host
        Key of the receivers that share their places in memory.
    number
        Of this receiver among them.
    """

    def __init__(self, ledger: Ledger, host: int, number: int) -> None:
        self._ledger = ledger
        self._host = host
        self._number = number

    def exchange(self, decide: Callable[[Counter[str]], Counts]) -> None:
        """Write what `decide` makes of the associations at other hosts; no other receiver writes meanwhile.

        Raises
        ------
        Retry
            If the database does not answer.
        """
        with self._ledger.transaction() as connection:
            connection.execute(_PREPARE)
            places = dict(decide(self._elsewhere(connection)))
            connection.execute(_TELL, self._row(places))

    def tell(self, places: Counts) -> None:
        """Write the associations of this receiver, in one statement.

        Who decides meanwhile counts those of before: it may find one too many, never one too few, where
        associations have only ended since.

        Raises
        ------
        Retry
            If the database does not answer.
        """
        with self._ledger.statement() as connection:
            connection.execute(_TELL, self._row(dict(places)))

    def _row(self, places: Mapping[str, int]) -> dict[str, Any]:
        return {"host": self._host, "number": self._number, "places": places}

    def leave(self) -> None:
        """Delete this receiver's row, and those that are no longer leased."""
        own = sa.and_(receivers.c.host == self._host, receivers.c.number == self._number)
        with self._ledger.transaction() as connection:
            connection.execute(sa.delete(receivers).where(sa.or_(own, sa.not_(_LEASED))))

    def _elsewhere(self, connection: sa.Connection) -> Counter[str]:
        query = sa.select(receivers.c.places).where(receivers.c.host != self._host, _LEASED)
        total: Counter[str] = Counter()
        for places in connection.scalars(query):
            total.update(places)
        return total
