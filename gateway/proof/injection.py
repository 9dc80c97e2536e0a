"""Carries out orders to kill inside the gateway's processes. `armed/sitecustomize.py` installs it at their
start.

An order is a file named after a point (`work.decode.before`) with the kill's number, the passage at which the
kill is due, and the victim. A process moves the file before it kills, so that each order is carried out once.
The gateway's own code has no hooks for the proof.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from gateway.proof.plan import ALL, ITSELF, RECEIVE, SERVE, WORK, Kill
from gateway.settings import Settings

ORDERS = "CXR_PROVE_ORDERS"
"""Environment variable: the folder of orders."""

OVER_S3 = "CXR_PROVE_OVER_S3"
"""Environment variable, set where images and results lie in a bucket."""


class Orders:
    """The folder of orders, shared by the experiment and the armed processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._carried_out = folder / "carried-out"
        self._carried_out.mkdir(parents=True, exist_ok=True)

    def give(self, kill: Kill) -> None:
        """Order a kill at its point."""
        draft = self._folder / "draft"
        draft.write_text(f"{kill.number} {kill.passage} {kill.victim}")
        draft.rename(self._folder / str(kill.point))

    def withdraw(self, kill: Kill) -> bool:
        """Withdraw an order; return False if it was carried out meanwhile."""
        return self._move(str(kill.point), "withdrawn")

    def is_carried_out(self, kill: Kill) -> bool:
        """Tell whether the order was carried out."""
        return (self._carried_out / str(kill.number)).exists()

    def due(self, point: str) -> tuple[str, int, str] | None:
        """Return number, passage and victim of the order at a point, or None."""
        try:
            number, passage, victim = (self._folder / point).read_text().split()
        except FileNotFoundError:
            return None
        return number, int(passage), victim

    def carry_out(self, point: str, number: str) -> bool:
        """Claim an order; return False if another process has claimed it."""
        return self._move(point, f"carried-out/{number}")

    def _move(self, point: str, name: str) -> bool:
        try:
            (self._folder / point).rename(self._folder / name)
        except FileNotFoundError:
            return False
        return True


class Injection:
    """Counts passages of points in this process, and kills when an order is due."""

    def __init__(self, orders: Orders, role: str) -> None:
        self._orders = orders
        self._role = role
        self._passages: Counter[str] = Counter()  # by the number of the kill
        self._one_at_a_time = threading.Lock()

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` with a point before and a point after each call."""

        @wraps(function)
        def passing(*arguments: Any, **named: Any) -> Any:
            self.pass_by(f"{stage}.before")
            returned = function(*arguments, **named)
            self.pass_by(f"{stage}.after")
            return returned

        return passing

    def pass_by(self, stage: str) -> None:
        """Carry out an order that is due at this point."""
        point = f"{self._role}.{stage}"
        with self._one_at_a_time:
            order = self._orders.due(point)
            if order is None:
                return
            number, passage, victim = order
            self._passages[number] += 1
            if self._passages[number] >= passage and self._orders.carry_out(point, number):
                if owner := multiprocessing.parent_process():
                    _kill_from_sandbox(owner.pid, victim)
                else:
                    kill(os.getppid(), victim)


def _kill_from_sandbox(worker: int | None, victim: str) -> None:
    """Kill by the order of a sandbox: it ends with its worker, and alone where its worker has ended."""
    if os.getppid() == worker:
        if victim == ITSELF:
            os.kill(worker, signal.SIGKILL)
        else:
            kill(_parent_of(worker), victim)
    if victim != SERVE:
        os.kill(os.getpid(), signal.SIGKILL)


def kill(supervisor: int, victim: str) -> bool:
    """Send SIGKILL to one role, to the supervisor, or to all; return False without a victim."""
    if victim == ITSELF:
        os.kill(os.getpid(), signal.SIGKILL)
    roles = roles_of(supervisor)
    pids = {
        RECEIVE: [pid for pid, role in roles.items() if role == RECEIVE],
        WORK: [pid for pid, role in roles.items() if role == WORK],
        SERVE: [supervisor],
        ALL: [supervisor, *sorted(roles, key=lambda pid: pid == os.getpid())],  # this process last
    }[victim]
    return sum(_end(pid) for pid in pids) > 0


def roles_of(supervisor: int) -> dict[int, str]:
    """Return the process IDs of a supervisor's roles (Linux)."""
    tasks = Path(f"/proc/{supervisor}/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in _text(task).split()]
    commands = {pid: _text(Path(f"/proc/{pid}/cmdline")).split("\0") for pid in pids}
    return {pid: role for pid, command in commands.items() for role in (RECEIVE, WORK) if role in command}


def arm() -> None:
    """Install points in this process, if it is a receiver, a worker or its sandbox under proof."""
    if ORDERS not in os.environ:
        return
    if "--multiprocessing-fork" in sys.orig_argv:
        injection = Injection(Orders(Path(os.environ[ORDERS])), WORK)
        os.fsync = injection.around("fsync", os.fsync)
        _arm_sandbox(injection)
    elif SERVE in sys.orig_argv[:4]:
        arm_forked(_arm_role)
    else:
        _arm_role(next((w for w in (RECEIVE, WORK) if w in sys.orig_argv[:4]), ""))


def arm_forked(arm_role: Callable[[str], None]) -> None:
    """Let the processes that this supervisor forks call `arm_role` with their role."""
    from gateway.processes import roles

    prepare = roles.prepare

    def prepare_armed(settings: Settings, name: str) -> None:
        arm_role(name.partition(" ")[0])
        prepare(settings, name)

    roles.prepare = prepare_armed


def _arm_role(role: str) -> None:
    """Install the points of a role; a worker's are also its sandbox's, which may be a fork of it."""
    if role not in (RECEIVE, WORK):
        return
    injection = Injection(Orders(Path(os.environ[ORDERS])), role)
    os.fsync = injection.around("fsync", os.fsync)
    _arm_commits(injection)
    if OVER_S3 in os.environ:
        _arm_puts(injection)
    if role == RECEIVE:
        _arm_receiver(injection)
    else:
        _arm_worker(injection)
        _arm_sandbox(injection)


def _arm_commits(injection: Injection) -> None:
    """Install points around every commit of a transaction with changes."""
    from sqlalchemy import Engine, event
    from sqlalchemy.engine.default import DefaultDialect

    commit = DefaultDialect.do_commit
    passing = injection.around("commit", commit)
    this_thread = threading.local()

    @event.listens_for(Engine, "before_cursor_execute")
    def see_statement(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN")):
            this_thread.has_written = True

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        has_written = getattr(this_thread, "has_written", False)
        this_thread.has_written = False
        (passing if has_written else commit)(dialect, connection)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _arm_puts(injection: Injection) -> None:
    from gateway.store.bucket import Bucket

    Bucket.put = injection.around("put", Bucket.put)  # type: ignore[method-assign]


def _arm_receiver(injection: Injection) -> None:
    from gateway.receive.c_store import CStore

    CStore.answer = injection.around("receive", CStore.answer)  # type: ignore[method-assign]


def _arm_worker(injection: Injection) -> None:
    from gateway.deliver import c_store
    from gateway.worker import pipeline

    pipeline.infer = injection.around("infer", pipeline.infer)  # type: ignore[attr-defined]
    c_store.store = injection.around("deliver", c_store.store)  # type: ignore[attr-defined]


def _arm_sandbox(injection: Injection) -> None:
    from gateway.worker import image
    from gateway.worker.encode import Encoder

    image.eligibility = injection.around("eligibility", image.eligibility)  # type: ignore[attr-defined]
    image.decode = injection.around("decode", image.decode)  # type: ignore[attr-defined]
    Encoder.build = injection.around("encode", Encoder.build)  # type: ignore[method-assign]


def _parent_of(pid: int) -> int:
    """Return the process ID of a process's parent (Linux)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _text(path: Path) -> str:
    """Return the text of a file of /proc; empty for a process that has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _end(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
