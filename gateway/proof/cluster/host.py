"""A host of the cluster: it boots, loses its power, and starts its programs again when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import GatewayError
from gateway.proof.cluster.network import Network

RESTART_SECONDS = 1.0
END_SECONDS = 60.0
_UP = "up"
_NAMESPACES = ("--mount", "--uts", "--net", "--pid", "--ipc")


@dataclass(slots=True)
class Program:
    """A program that a host runs for as long as it is up.

    Attributes
    ----------
    user
        ID of the user that runs it, None: root.
    ends
        Exit statuses so far, of ends that no power cut caused.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    user: int | None = None
    ends: list[int] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    ended_at: float | None = None


class Host:
    """One host; all methods may be called by any thread.

    Parameters
    ----------
    name
        Its host name, and its cable in the network.
    """

    def __init__(self, name: str, network: Network) -> None:
        self.name = name
        self.address = network.add(name)
        self._network = network
        self._programs: dict[str, Program] = {}
        self._lock = threading.RLock()
        self._holder: subprocess.Popen[str] | None = None
        self._init = 0

    @property
    def programs(self) -> Mapping[str, Program]:
        """The programs by name."""
        return self._programs

    @property
    def is_up(self) -> bool:
        """Whether it has power."""
        return self._holder is not None

    def boot(self) -> None:
        """Switch it on: its programs start, and its cable is whole."""
        script = f"hostname {self.name}; echo {_UP}; exec sleep infinity"
        spaces = ("--fork", "--pid", "--uts", "--ipc", "--mount-proc", "--kill-child")
        command = ["ip", "netns", "exec", self.name, "unshare", *spaces, "sh", "-ec", script]
        with self._lock:
            self._holder = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self._holder.stdout is not None  # noqa: S101 - it is a pipe
            if self._holder.stdout.readline().strip() != _UP:
                raise GatewayError(f"the host {self.name} of the proof does not boot")
            self._init = _children(self._holder.pid)[0]
            self._network.mend(self.name)
            for program in self._programs.values():
                self._start(program)

    def lose_power(self) -> None:
        """End everything at once; no peer is told."""
        with self._lock:
            self._network.cut(self.name)
            if self._holder is not None:
                os.kill(self._init, signal.SIGKILL)  # the host's first process takes all others with it
                self._holder.wait(END_SECONDS)
                self._holder = None
            for program in self._programs.values():
                if program.process is not None:
                    program.process.wait(END_SECONDS)
                program.process = program.ended_at = None

    def run(self, name: str, program: Program) -> None:
        """Run a program from now on, also after the next boot."""
        with self._lock:
            self._programs[name] = program
            if self._holder is not None:
                self._start(program)

    def forget(self, name: str) -> None:
        """Run a program no more from the next boot on."""
        with self._lock:
            self._programs.pop(name, None)

    def do(self, command: Sequence[str], *, user: int | None = None) -> None:
        """Run a command on this host to its end.

        Raises
        ------
        GatewayError
            If it fails.
        """
        with self._lock:
            entered = self._entered(command, user)
        done = subprocess.run(entered, capture_output=True, text=True, check=False)
        if done.returncode:
            raise GatewayError(f"{self.name}: {command[0]} failed: {done.stderr.strip()[-500:]}")

    def signal(self, name: str, number: int) -> bool:
        """Send a signal to a program; False where it does not run now."""
        with self._lock:
            program = self._programs.get(name)
            process = program.process if program else None
            running = _children(process.pid) if process else []
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(running)

    def freeze(self, *, frozen: bool) -> None:
        """Stop the children of the host's programs, or let them go on.

        The programs themselves go on: nsenter, which started them, would stop with them.
        """
        with self._lock:
            running = [each.process.pid for each in self._programs.values() if each.process]
            top = {pid for entered in running for pid in _children(entered)}
        for pid in set(self._pids()) - top - {self._init}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def revive(self) -> None:
        """Start the programs that have ended, after a pause."""
        with self._lock:
            if self._holder is None:
                return
            for program in self._programs.values():
                self._look_after(program)

    def _look_after(self, program: Program) -> None:
        if program.process is not None:
            status = program.process.poll()
            if status is None:
                return
            program.ends.append(status)
            program.process, program.ended_at = None, time.monotonic()
        if program.ended_at is not None and time.monotonic() - program.ended_at > RESTART_SECONDS:
            self._start(program)

    def _start(self, program: Program) -> None:
        command = self._entered(program.command, program.user)
        with program.log.open("ab") as log:
            program.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(program.environment)
            )
        program.ended_at = None

    def _entered(self, command: Sequence[str], user: int | None) -> list[str]:
        who = [f"--setuid={user}", f"--setgid={user}"] if user is not None else []
        return ["nsenter", f"--target={self._init}", *_NAMESPACES, *who, "--", *command]

    def _pids(self) -> list[int]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "ns/pid").readlink() == Path(f"/proc/{self._init}/ns/pid").readlink():
                    found.append(int(entry.name))
        return found


def _children(pid: int) -> list[int]:
    """Return a process's children (Linux)."""
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
