"""`gateway serve`: every role as a process of its own, started again when it dies."""

from __future__ import annotations

import gc
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial

from gateway.errors import ConfigurationError, GatewayError
from gateway.files.folders import make_folder
from gateway.files.lock import open_lock, try_lock
from gateway.processes import roles
from gateway.processes.forked import ForkedRole, Run, fork_roles
from gateway.processes.lifetime import READY, heed_signals
from gateway.processes.notify import READY as READY_STATE
from gateway.processes.notify import STOPPING, WATCHDOG, notify
from gateway.processes.shared_port import SharedPort
from gateway.processes.waiting import open_database_once_there
from gateway.settings import Settings
from gateway.settings.processes import receiver_count
from gateway.store.opening import open_database
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event, open_log
from gateway.telemetry.role_status import DRAINING, RoleStatusFile
from gateway.threads import Vital, failed_vital

GATEWAY = (sys.executable, "-m", "gateway")
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
SUPERVISOR_ENDS_SECONDS = 3.0
ROLES_END_SECONDS = 60.0  # of a killed gateway, on a machine that is busy
STARTING_SECONDS = 300.0  # a role that does not serve by then is ended
LOOK_SECONDS = 5.0  # interval of looking for a failed watcher
GRACE_SECONDS = 5.0  # beyond the time that a role has for its work in hand
HUNG_SECONDS = 30.0  # a role that has served and gives no sign of life for so long is ended
_BESIDE = {"pull": ("--by-schedule",)}  # options of a role's command that make it the role
UNANSWERED_SECONDS = STARTING_SECONDS + HUNG_SECONDS  # a role that is silent for longer is systemd's to mend
WRONG_CONFIGURATION = 2  # a role's exit status: one that has never served would not be mended by a restart

RoleProcess = subprocess.Popen[str] | ForkedRole


class Supervisor:
    """Runs the roles of one gateway on one machine.

    Parameters
    ----------
    arguments
        What the roles are started with beyond their name (`--config FILE`).
    command
        Starts a role, followed by its name.
    run
        Runs a command of a role in a process that was forked; None: no process is.
    """

    def __init__(
        self,
        settings: Settings,
        arguments: Sequence[str],
        command: Sequence[str] = GATEWAY,
        run: Run | None = None,
    ) -> None:
        self._settings = settings
        self._arguments = list(arguments)
        self._command = list(command)
        self._run = run
        self._forked: dict[str, ForkedRole] = {}  # that have no order yet
        self._needed = [
            *_numbered("receive", receiver_count(settings.scp)),
            *(f"work {number}" for number in range(settings.workers)),
        ]
        pulls = any(source.schedule is not None for source in settings.sources)
        self._names = [
            *self._needed,
            *(["web"] if settings.web.enabled else []),
            *(["pull"] if pulls else []),
        ]
        self._status: RoleStatusFile  # once the roles are forked: it has a thread
        self._stop = threading.Event()
        self._wrong = threading.Event()
        self._children: dict[str, RoleProcess] = {}
        self._told: dict[str, dict[str, str]] = {}  # by each role when it first served
        self._heard_at = dict.fromkeys(self._names, time.monotonic())
        self._telling = threading.Lock()
        self._spawning = threading.Lock()

    def run(self) -> None:
        """Serve until SIGTERM.

        Raises
        ------
        ConfigurationError
            If a role cannot start, or another gateway runs on the same data directory.
        """
        if self._run is not None:  # first of all: see `forked`
            gc.freeze()
            self._forked = fork_roles(self._names, partial(roles.prepare, self._settings), self._run)
        gc.enable()
        self._status = RoleStatusFile(self._settings.directory.role_status)
        heed_signals(self._stop)
        self._settings.directory.make()
        open_log(self._settings.directory, role="serve", rules=self._settings.log)
        if not self._has_database():
            return
        self._locks = self._lock_data_dir()
        self._port = SharedPort(self._settings.scp)  # before a model is loaded in vain
        watchers = [Vital(partial(self._keep_running, name), f"watch {name}") for name in self._names]
        for watcher in watchers:
            watcher.start()
        while not self._stop.wait(LOOK_SECONDS):
            for name, problem in failed_vital().items():
                if self._stop.is_set():  # since a moment ago: watchers end in order
                    break
                raise GatewayError(f"the thread {name!r} {problem}: the gateway ends, to be started again")
            if self._roles_answer():
                notify(WATCHDOG)
        notify(STOPPING)
        self._end_children()
        for watcher in watchers:
            watcher.join()
        self._status.close()
        log_event(Event.STOPPED)
        if self._wrong.is_set():
            raise ConfigurationError("a role of the gateway cannot start; its own line above says why")

    def _has_database(self) -> bool:
        """Wait until the database is there; False where the gateway is to end before."""
        ports = {name.partition(" ")[0] for name in self._names}
        opened = open_database_once_there(self._settings, sorted(ports), self._stop)
        if opened is None:
            return False
        opened[0].dispose()
        return True

    def _lock_data_dir(self) -> list[int]:
        """Keep other gateways away; the roles of one that was killed may still be ending.

        A supervisor alone holds the first lock, its roles hold the second with it.
        """
        with self._settings.directory.writing():
            make_folder(self._settings.directory.run)
        return [
            self._lock("serve.lock", SUPERVISOR_ENDS_SECONDS),
            self._lock("gateway.lock", ROLES_END_SECONDS),
        ]

    def _lock(self, name: str, seconds: float) -> int:
        path = self._settings.directory.run / name
        with self._settings.directory.writing():
            descriptor = open_lock(path)
        deadline = time.monotonic() + seconds
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"data_dir: another gateway runs on {self._settings.data_dir}; stop it or choose another"
                )
            self._stop.wait(0.1)
        return descriptor

    def _keep_running(self, name: str) -> None:
        """Start the role, and again whenever it dies, more and more slowly while it does not get ready."""
        delay = FIRST_DELAY
        while not self._stop.is_set():
            has_served = False
            try:
                child = self._spawn(name)
                if child is None:
                    return
                has_served = self._wait_until_ready(name, child)
                status = self._outlive(name, child) if has_served else child.wait()
                _close_pipes(child)
                if self._stop.is_set() or self._is_wrong(name, status):
                    return
                delay = FIRST_DELAY if has_served else delay
                self._status.note(name, "dead", f"exit status {status}")
                log_event(Event.ROLE_DIED, died=name, exit_status=status, restart_in_seconds=delay)
            except OSError as error:  # no process, descriptor or memory left for it now
                self._give_up(name, error.strerror or repr(error), delay)
            except Exception as error:
                log_bug(Event.BUG, task=f"watch {name}")
                self._give_up(name, repr(error), delay)
            self._stop.wait(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _roles_answer(self) -> bool:
        """Tell whether every role that is needed has been heard of lately, the time of a restart included."""
        now = time.monotonic()
        return all(now - self._heard_at[name] < UNANSWERED_SECONDS for name in self._needed)

    def _is_wrong(self, name: str, status: int) -> bool:
        """End the gateway if this role never will serve; a database that went away comes back."""
        if status != WRONG_CONFIGURATION or name not in self._needed or name in self._told:
            return False
        try:
            open_database(self._settings, makes=False)[0].dispose()
        except ConfigurationError:
            return False
        self._wrong.set()
        self._stop.set()
        return True

    def _give_up(self, name: str, reason: str, delay: float) -> None:
        """Say that a role could not be started or watched; end what is left of it."""
        child = self._children.get(name)
        if child:
            child.kill()  # nothing, where it has ended
        self._status.note(name, "dead", f"cannot be started: {reason}")
        log_event(Event.ROLE_NOT_STARTED, not_started=name, reason=reason, restart_in_seconds=delay)

    def _spawn(self, name: str) -> RoleProcess | None:
        """Start a process of the role; None once the gateway ends."""
        role, _, number = name.partition(" ")
        is_receiver = role == "receive"
        with self._spawning:
            if self._stop.is_set():
                return None
            self._status.note(name, "starting")
            share = self._port.arguments(int(number or 0)) if is_receiver else []
            arguments = [role, *_BESIDE.get(role, ()), "--supervised", *share, *self._arguments]
            # the data directory is free again when the last role has ended
            descriptors = [*self._locks[1:], *(self._port.descriptors if is_receiver else ())]
            self._children[name] = child = self._forked.pop(name, None) or self._started(
                arguments, descriptors
            )
            if isinstance(child, ForkedRole):
                child.order(arguments, descriptors)
        return child

    def _started(self, arguments: Sequence[str], descriptors: Sequence[int]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, *arguments],
            stdin=subprocess.PIPE,  # the parent watchdog: the role ends when this end is gone
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then drains the roles
        )

    def _wait_until_ready(self, name: str, child: RoleProcess) -> bool:
        """Note what a role tells about itself once it serves, False if it ends before or hangs.

        With the last one that is needed, the gateway is ready: nobody waits for the web pages.
        """
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        if not select.select([child.stdout], [], [], STARTING_SECONDS)[0]:
            self._end_hung(name, child, STARTING_SECONDS)
            return False
        line = child.stdout.readline()
        if not line.startswith(READY):
            return False
        self._status.note(name, "serving")
        self._heard_at[name] = time.monotonic()
        if name not in self._needed or self._stop.is_set():
            return True
        with self._telling:
            complete = len(self._told) == len(self._needed)
            self._told[name] = dict(word.split("=", 1) for word in line.split()[1:])
            if not complete and len(self._told) == len(self._needed):
                words = {key: value for told in self._told.values() for key, value in told.items()}
                log_event(Event.READY, **words)
                notify(READY_STATE)
        return True

    def _outlive(self, name: str, child: RoleProcess) -> int:
        """Return the role's exit status once it has ended, or has been ended because it hangs."""
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        heard_at = time.monotonic()
        while child.poll() is None:
            if select.select([child.stdout], [], [], 1.0)[0]:
                if not os.read(child.stdout.fileno(), 4096):
                    break
                heard_at = self._heard_at[name] = time.monotonic()
                self._status.note(name, DRAINING if self._stop.is_set() else "serving")
            elif time.monotonic() - heard_at > HUNG_SECONDS:
                self._end_hung(name, child, HUNG_SECONDS)
        return child.wait()

    def _end_hung(self, name: str, child: RoleProcess, silent_seconds: float) -> None:
        log_event(Event.ROLE_HANGS, hangs=name, silent_seconds=silent_seconds)
        child.kill()

    def _end_children(self) -> None:
        """Ask every role to drain, the web last: until then it says that the gateway is not ready."""
        with self._spawning:
            self._port.close()
            children = dict(self._children)
        for name in children:
            self._status.note(name, DRAINING)
        web = children.pop("web", None)
        seconds = self._settings.scp.drain_notice_seconds + self._settings.shutdown_seconds + GRACE_SECONDS
        deadline = time.monotonic() + seconds
        _end(list(children.values()), deadline)
        if web is not None:
            _end([web], max(deadline, time.monotonic() + GRACE_SECONDS))


def _end(children: list[RoleProcess], deadline: float) -> None:
    """End roles in order; kill one that has not ended in time: the next start resumes its work."""
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


def _close_pipes(child: RoleProcess) -> None:
    if child.stdin is not None:
        child.stdin.close()
    if child.stdout is not None:
        child.stdout.close()


def _numbered(role: str, count: int) -> list[str]:
    return [role] if count == 1 else [f"{role} {number}" for number in range(count)]
