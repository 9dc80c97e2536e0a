"""The name under which a worker takes work in hand: nobody else has it, and a restarted worker gets it again.

Two machines may share a host name, and a shared folder need not share its locks. So the ledger says which
process has a name: its machine, its process ID, and when it was started.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.files.folders import make_folder
from gateway.files.lock import open_lock, try_lock
from gateway.store.clock import now
from gateway.store.ledger import Ledger
from gateway.store.schema import workers

SILENT_SECONDS = 60.0  # a worker that has not been heard of for so long has ended

_locks: list[int] = []  # they last as long as the process


def take_name(folder: Path, ledger: Ledger) -> str:
    """Return a name; the lock in `folder` is held from now on.

    Raises
    ------
    OSError
        If the folder cannot be written.
    Retry
        If the database is away, or the system does not tell this process's own life now.
    """
    make_folder(folder)
    number = 1
    while True:
        name = f"{socket.gethostname()}-{number}"
        descriptor = open_lock(folder / f"worker-{name}.lock")
        if try_lock(descriptor) and _register(name, ledger):
            _locks.append(descriptor)
            return name
        os.close(descriptor)
        number += 1


def has_name(name: str, ledger: Ledger) -> bool:
    """Tell whether the name is still this process's: one that was silent for long may have lost it.

    Raises
    ------
    Retry
        If that cannot be told now.
    """
    query = sa.select(workers.c.life).where(workers.c.worker_id == name)
    with ledger.transaction() as connection:
        return connection.scalars(query).first() in (None, life())


def life(pid: int | None = None) -> str:
    """Return what no other process has or will have: boot, PID namespace, process ID, time of its start.

    Raises
    ------
    Retry
        If the system does not tell it now, as where too many files are open.
    """
    pid = pid or os.getpid()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {pid} {started}"
    except (FileNotFoundError, ProcessLookupError):  # no Linux, or no such process
        return f"unknown {socket.gethostname()} {pid} 0"
    except OSError as error:
        raise Retry(f"{error.filename}: {error.strerror}") from error


def _register(name: str, ledger: Ledger) -> bool:
    """Make the name this process's, unless its last owner lives or may live."""
    this = workers.c.worker_id == name
    try:
        with ledger.transaction() as connection:
            row = connection.execute(sa.select(workers.c.life, workers.c.beat_at).where(this)).first()
            mine = {"life": life(), "beat_at": now()}
            if row is None:
                connection.execute(sa.insert(workers).values(mine | {"worker_id": name}))
                return True
            if not has_ended(row.life) and row.beat_at > now() - timedelta(seconds=SILENT_SECONDS):
                return False
            unchanged = this & workers.c.life.is_not_distinct_from(row.life)
            return connection.execute(sa.update(workers).where(unchanged).values(mine)).rowcount == 1
    except sa.exc.IntegrityError:  # another worker was faster
        return False


def has_ended(other: str | None) -> bool:
    """Tell whether that process has surely ended; one of another machine may live."""
    words = (other or "").split()
    if len(words) != 4 or words[0] == "unknown":
        return True  # from before there were lives, or no Linux: the lock is all that can be known
    try:
        return words[:2] == life().split()[:2] and life(int(words[2])) != other
    except Retry:  # it may live
        return False
