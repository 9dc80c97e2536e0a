"""A forked process of a role waits for its order, runs it as a command would, ends with its supervisor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.gateway_process import PATIENCE_SECONDS, wait_for

SUPERVISOR = """
import os, sys
from gateway.processes.forked import fork_roles

def run(arguments):
    {run}

{begin}
"""
TELL = "os.write(int(arguments[-1]), f'{arguments} {prepared}'.encode())"
PREPARED = """
prepared = []
forked = fork_roles(['receive', 'work 0'], prepared.append, run)
"""
WAIT = "os.write(1, b'ready'); os.read(0, 1)"


def supervise(run: str, begin: str) -> str:
    """Run a supervisor of its own, with one thread; return what it prints."""
    script = SUPERVISOR.format(run=run, begin=PREPARED + begin)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_role_runs_its_order_with_its_descriptors() -> None:
    told = supervise(
        TELL,
        """
reading, writing = os.pipe()
forked['work 0'].order(['work', '--supervised', str(writing)], [writing])
print(os.read(reading, 1000).decode() == f"{['work', '--supervised', str(writing)]} ['work 0']")
print(forked['work 0'].wait(), forked['work 0'].poll())
""",
    )
    assert told == "True\n0 0\n"


def test_a_descriptor_of_an_order_takes_the_place_of_none_that_the_role_has_opened() -> None:
    told = supervise(
        "print({os.readlink(f'/proc/self/fd/{each}') for each in opened}, flush=True); os.read(0, 1)",
        """
opened = []

def open_some(_):
    opened.extend(os.open('/dev/null', os.O_RDONLY) for _ in range(20))

(role,) = fork_roles(['work 0'], open_some, run).values()
lock = os.dup2(os.open('/dev/zero', os.O_RDONLY), 20)
role.order(['work'], [lock])
print(role.stdout.readline(), end='')
held = [os.readlink(f'/proc/{role.pid}/fd/{each}') for each in os.listdir(f'/proc/{role.pid}/fd')]
print(held.count('/dev/zero'))
""",
    )
    assert told == "{'/dev/null'}\n1\n"


def test_a_role_is_shown_by_its_own_command() -> None:
    told = supervise(
        WAIT,
        """
receive = forked['receive']
receive.order(['receive', '--config', 'gateway.yaml'], [])
receive.stdout.read(5)
with open(f'/proc/{receive.pid}/cmdline') as shown, open(f'/proc/{receive.pid}/comm') as name:
    print(shown.read().rstrip(chr(0)).split(chr(0))[:2], name.read().strip())
""",
    )
    assert told == "['gateway', 'receive'] gateway receive\n"


def test_the_end_of_a_role_is_told_as_of_a_command() -> None:
    told = supervise(
        "sys.exit(2) if arguments == ['wrong'] else os.read(0, 1)",
        """
forked['receive'].order(['wrong'], [])
forked['work 0'].order(['work'], [])
print(forked['receive'].wait(), forked['work 0'].poll())
forked['work 0'].kill()
print(forked['work 0'].wait())
try:
    forked['receive'].order(['again'], [])
except OSError:
    print('has ended')
""",
    )
    assert told == "2 None\n-9\nhas ended\n"


def test_a_role_hears_the_end_of_its_supervisor_though_another_lives() -> None:
    told = supervise(
        WAIT,
        """
for role in forked.values():
    role.order(['role'], [])
    role.stdout.read(5)
forked['receive'].stdin.close()
print(forked['receive'].wait(), forked['work 0'].poll())
""",
    )
    assert told == "0 None\n"


def test_a_role_without_an_order_ends_with_its_supervisor() -> None:
    pids = supervise(WAIT, "print(*(role.pid for role in forked.values()))").split()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_nothing_is_forked_beside_other_threads() -> None:
    told = supervise(
        WAIT,
        """
import threading
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
print(fork_roles(['receive'], prepared.append, run))
""",
    )
    assert told == "{}\n"


def test_a_role_that_ends_as_it_is_told_to_is_told_in_vain() -> None:
    told = supervise(
        WAIT,
        """
import threading
from gateway.processes import forked as module
role, kill = forked['receive'], os.kill

def kill_late(pid, number):
    role.stdin.close()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    watcher = threading.Thread(target=role.poll)
    watcher.start()
    watcher.join(0.2)  # it may not take the status now: the number would be nobody's
    kill(pid, number)

module.os.kill = kill_late
role.terminate()
print(role.wait())
""",
    )
    assert told == "1\n"
