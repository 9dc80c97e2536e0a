"""Waits at the start for a database that is away, and says so: to the log, to systemd, on the health ports.

The supervisor and roles that run alone call it. What will not heal by itself, as a wrong password, is raised.
`store.database_errors` decides what that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event as Signal
from time import monotonic

import sqlalchemy as sa

from gateway.errors import DatabaseAway
from gateway.processes.notify import EXTEND_SECONDS, notify
from gateway.receive.health import HealthPort
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.opening import open_database
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

AGAIN_SECONDS = 2.0
TOLD_EVERY_SECONDS = 600.0
"""Interval of the lines in the log that say the same."""

NAME_SECONDS = 60.0
"""Time for which the name of a host may be unknown: a name server may start late, a typing error stays."""


def open_database_once_there(
    settings: Settings, roles: Sequence[str], ending: Signal
) -> tuple[sa.Engine, Ledger] | None:
    """Open the database as `open_database` does, now or when it is there; None if `ending` is set before.

    Parameters
    ----------
    roles
        Whose health ports say meanwhile that the gateway is not ready, and why.

    Raises
    ------
    ConfigurationError
        If waiting does not help, or a host name is still unknown after `NAME_SECONDS`.
    """
    try:
        return open_database(settings)
    except DatabaseAway as away:
        return _wait(settings, roles, ending, away)


def _wait(
    settings: Settings, roles: Sequence[str], ending: Signal, away: DatabaseAway
) -> tuple[sa.Engine, Ledger] | None:
    since, told, told_at = monotonic(), "", 0.0
    with _health_ports(settings, roles, lambda: str(away)):
        while True:
            if away.name_is_unknown and monotonic() - since > NAME_SECONDS:
                raise away
            if str(away) != told or monotonic() - told_at > TOLD_EVERY_SECONDS:
                told, told_at = str(away), monotonic()
                log_event(Event.WAITING, task="start", reason=told)
            notify(f"STATUS=waits: {told}\nEXTEND_TIMEOUT_USEC={EXTEND_SECONDS * 1_000_000}")
            if ending.wait(AGAIN_SECONDS):
                return None
            try:
                opened = open_database(settings)
            except DatabaseAway as error:
                away = error
            else:
                notify("STATUS=starts")
                return opened


@contextmanager
def _health_ports(settings: Settings, roles: Sequence[str], problem: Callable[[], str]) -> Iterator[None]:
    """Answer on the health port of the receivers, and on the web port where it has no TLS."""
    scp, web = settings.scp, settings.web
    ports: list[HealthPort] = []
    if "receive" in roles and scp.health_port is not None:
        ports.append(HealthPort(scp, problem))
    if "web" in roles and web.tls is None:
        of_web = scp.model_copy(update={"bind": web.bind, "health_port": web.port})
        ports.append(HealthPort(of_web, problem, stands_in=True))
    started: list[HealthPort] = []
    try:
        for port in ports:
            port.start()
            started.append(port)
        yield
    finally:
        for port in started:
            port.stop()
