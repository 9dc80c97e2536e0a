"""Checks a PostgreSQL server: does it take writes, are they safe, do clocks and connections suffice."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.settings import Settings
from gateway.settings.processes import role_count
from gateway.store.server_state import ServerState, risks, state_of

WHAT = "database"
CLOCK_DIFFERS_SECONDS = 2.0  # by so much NTP does not run on one of the two machines


def server(settings: Settings, engine: sa.Engine) -> Iterator[Finding]:
    """Yield the findings on the server; SQLite has none.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        If the server does not answer.
    """
    if engine.dialect.name != "postgresql":
        return
    for risk in risks(engine):
        yield (wrong if risk.is_fatal else doubtful)(WHAT, risk.told, risk.advice)
    state = state_of(engine)
    yield _writes(state)
    yield _commits(state)
    yield _clock(state)
    yield _pooler(state) if state.is_pooled else _connections(settings, state)


def _writes(state: ServerState) -> Finding:
    if state.is_standby:
        advice = "there: promote it; here: name the server that takes writes, or both as HOST:PORT,HOST:PORT"
        return wrong(WHAT, "the server is a standby and takes no writes: all work waits", advice)
    if state.is_read_only:
        advice = "there: default_transaction_read_only = off, for the server, the database and the role"
        return wrong(WHAT, "the server takes no writes: all work waits", advice)
    return good(WHAT, "the server takes writes")


def _commits(state: ServerState) -> Finding:
    stated = state.synchronous_commit
    told = f"synchronous_commit is {stated}"
    if stated == "off":
        told += " there, and on in the gateway's transactions"
    if state.followers and (not state.waits_for_standby or stated == "local"):
        advice = "there: synchronous_standby_names names a standby; else a fail-over may lose the last images"
        return doubtful(WHAT, f"{told}; commits do not wait for a standby", advice)
    return good(WHAT, f"{told}; commits wait for a standby" if state.waits_for_standby else told)


def _clock(state: ServerState) -> Finding:
    ahead = state.clock_ahead_seconds
    if abs(ahead) < CLOCK_DIFFERS_SECONDS:
        return good(WHAT, "its clock agrees with this machine's")
    told = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    advice = "between: NTP on both; rows have the server's time, log and audit trail have this machine's"
    return doubtful(WHAT, told, advice)


def _pooler(state: ServerState) -> Finding:
    return good(
        WHAT, f"a pooler stands between; {state.connections} of {state.most_connections} connections used"
    )


def _connections(settings: Settings, state: ServerState) -> Finding:
    from gateway.store.postgresql import MOST_CONNECTIONS

    most = role_count(settings) * MOST_CONNECTIONS
    told = f"{state.connections} of {state.most_connections} connections used"
    if most <= state.most_connections:
        return good(WHAT, told)
    advice = f"there: max_connections above {most} for each machine's roles, or PgBouncer between"
    return doubtful(WHAT, f"{told}; the roles of this machine may open {most}", advice)
