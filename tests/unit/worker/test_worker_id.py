"""A worker's name: unique among machines of one host name, the same again after a restart."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import Retry
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.worker.worker_id import has_ended, has_name, life, take_name

HOLDER = """
import sys
from pathlib import Path
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.worker.worker_id import take_name
folder = Path(sys.argv[1])
print(take_name(folder / "its own locks", Ledger(open_engine(f"sqlite:///{folder}/gateway.sqlite"), folder)))
sys.stdout.flush()
sys.stdin.read()
"""
FIRST, SECOND = (f"{socket.gethostname()}-{number}" for number in (1, 2))


def test_two_machines_of_one_host_name_have_two_names(ledger: Ledger, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline().strip() == FIRST
        assert take_name(tmp_path / "locks", ledger) == SECOND
        other.kill()
    assert take_name(tmp_path / "locks", ledger) == FIRST  # it has surely ended: its work is gone on with


def test_who_was_silent_for_long_may_have_lost_its_name(ledger: Ledger, tmp_path: Path) -> None:
    name = take_name(tmp_path / "locks", ledger)
    assert has_name(name, ledger)
    with open_engine(f"sqlite:///{tmp_path}/gateway.sqlite").begin() as connection:
        connection.exec_driver_sql("UPDATE workers SET life = 'boot namespace 1 1'")
    assert not has_name(name, ledger)


def test_another_machine_s_process_may_live_and_one_s_own_is_looked_at() -> None:
    assert not has_ended(life())
    boot, namespace, pid, started = life().split()
    assert has_ended(f"{boot} {namespace} {pid} {int(started) - 1}")
    assert not has_ended(f"another-boot {namespace} {pid} {started}")
    assert not has_ended(f"{boot} pid:[1] {os.getpid()} 1")
    assert has_ended(None)


def test_nobody_is_taken_for_ended_while_the_system_does_not_tell(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = take_name(tmp_path / "locks", ledger)
    mine = life()

    def too_many(path: Path) -> str:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(Path, "read_text", too_many)
    assert not has_ended(mine)
    with pytest.raises(Retry, match="Too many open files"):
        has_name(name, ledger)
