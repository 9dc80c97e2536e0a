"""The roles of a gateway: one process each, started by `serve` or alone.

Each role opens log, database and audit trail in the same order, has its composition root build the rest
(`receiver`, `worker`, `website`), serves until SIGTERM, and then drains.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Protocol

import sqlalchemy as sa

from gateway.processes.lifetime import Lifetime
from gateway.processes.waiting import open_database_once_there
from gateway.receive.port import Share
from gateway.sandbox.child import Child, hatch
from gateway.settings import Settings
from gateway.settings.processes import sandbox_count
from gateway.store.ledger import Ledger
from gateway.store.opening import open_database
from gateway.telemetry.audit import trail
from gateway.telemetry.events import Event
from gateway.telemetry.log import flush_log, log_event, open_log
from gateway.threads import release_vital

_ROOTS = {"receive": "receiver", "work": "worker", "web": "website", "pull": "puller"}
_hatched: list[Child] = []  # by `prepare`


def prepare(settings: Settings, name: str) -> None:
    """Do in a forked process what its role needs in any case, by the role's name (`work 0`); open nothing."""
    role = name.partition(" ")[0]
    import_module(f"gateway.processes.{_ROOTS[role]}")
    if role == "work":
        _hatched.extend(_hatch(settings))


class Role(Protocol):
    """A role as a composition root builds it."""

    def start(self) -> Mapping[str, object]:
        """Serve, without blocking; return what log and supervisor are told about this role."""

    def stop(self) -> None:
        """Take nothing new, finish what is in hand within `shutdown_seconds`."""


def receive(settings: Settings, *, supervised: bool = False, share: Sequence[int] = ()) -> None:
    """Listen for images until SIGTERM; `share` holds the values of a `Share` in the supervisor's port."""
    lifetime = _begun(supervised=supervised)
    from gateway.processes.receiver import build

    _run("receive", partial(build, share=Share(*share)), settings, lifetime)


def work(settings: Settings, *, supervised: bool = False) -> None:
    """Answer and deliver until SIGTERM."""
    lifetime = _begun(supervised=supervised)
    hatched = _hatched or _hatch(settings)
    from gateway.processes.worker import build

    _run("work", partial(build, hatched=hatched), settings, lifetime)


def _hatch(settings: Settings) -> list[Child]:
    return [hatch("gateway.worker.sandboxes") for _ in range(sandbox_count(settings))]


def web(settings: Settings, *, supervised: bool = False) -> None:
    """Serve pages and API until SIGTERM."""
    lifetime = _begun(supervised=supervised)
    from gateway.processes.website import build

    _run("web", build, settings, lifetime)


def pull(settings: Settings, *, supervised: bool = False) -> None:
    """Search sources and fetch by schedule until SIGTERM."""
    lifetime = _begun(supervised=supervised)
    from gateway.processes.puller import build

    _run("pull", build, settings, lifetime)


def _database(name: str, settings: Settings, lifetime: Lifetime) -> tuple[sa.Engine, Ledger] | None:
    """Open the database; a role without a supervisor waits for it, None where it is to end meanwhile."""
    if lifetime.is_supervised:  # its supervisor has waited, and made it
        return open_database(settings, makes=False)
    return open_database_once_there(settings, [name], lifetime.ending)


def _begun(*, supervised: bool) -> Lifetime:
    """Begin a role that has everything to import: until it serves there is no garbage worth looking for."""
    gc.disable()
    return Lifetime(supervised=supervised)


def _run(
    name: str, build: Callable[[Settings, sa.Engine, Ledger], Role], settings: Settings, lifetime: Lifetime
) -> None:
    if not lifetime.is_supervised:
        settings.directory.make()
    open_log(settings.directory, role=name, rules=settings.log)
    opened = _database(name, settings, lifetime)
    if opened is None:
        flush_log()
        os._exit(0)
    engine, ledger = opened
    trail.open_trail(settings)
    with settings.directory.writing():
        role = build(settings, engine, ledger)
    about = role.start()
    trail.started(role=name)
    lifetime.announce(**about)
    gc.freeze()  # modules and settings stay: garbage collection, 100 ms with them, looks at the rest alone
    gc.enable()
    lifetime.wait()
    release_vital()
    role.stop()
    trail.stopped(role=name)
    trail.close_trail()
    log_event(Event.STOPPED, **about)
    flush_log()
    os._exit(0)  # what has not ended in time is nobody's loss, or is resumed by the next start
