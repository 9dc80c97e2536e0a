"""The trail's files, and how a syslog collector gets what they hold, also after it was away."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from structlog.testing import capture_logs

from gateway.errors import ConfigurationError
from gateway.files.line_file import LineFile
from gateway.settings import Settings, Syslog
from gateway.telemetry.audit import events, forward, trail
from gateway.telemetry.audit.forward import Forwarder
from gateway.telemetry.audit.message import Subject
from gateway.telemetry.audit.syslog import Collector
from gateway.telemetry.audit.trail import Trail
from tests.support.certificates import Authority, Certificate
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.syslog_collector import SyslogCollector, syslog_collector

SUBJECT = Subject("1.2.3", "1.2.840.10008.5.1.4.1.1.1.1", ("1.2.3.4",), "P-0042", "Example^Edith", "A-1001")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(forward, "LONGEST_DELAY", 0.1)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Certificate:
    return authority.sign("collector")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Certificate:
    return authority.sign("gateway")


def settings_of(data_dir: Path, **audit: Any) -> Settings:
    return Settings(data_dir=data_dir, audit=audit)


@contextmanager
def open_trail(settings: Settings) -> Iterator[None]:
    trail.open_trail(settings)
    try:
        yield
    finally:
        trail.close_trail()


def lines(data_dir: Path) -> list[bytes]:
    files = sorted((data_dir / "audit").glob("audit-*.log"))
    return [line for file in files for line in file.read_bytes().splitlines()]


def view(number: int) -> None:
    trail.viewed(SUBJECT, user=f"user {number}", address="10.1.2.3")


def viewers(messages: list[bytes]) -> list[str]:
    trees = [etree.fromstring(message.partition(b"\xef\xbb\xbf")[2]) for message in messages]
    return [tree.find("ActiveParticipant").get("UserID") for tree in trees]


# --- files


def test_an_event_is_a_line(tmp_path: Path) -> None:
    with open_trail(settings_of(tmp_path)):
        view(1)
        trail.exported(SUBJECT, destination="report.pdf", user="user 2", address="10.1.2.3")
    assert viewers(lines(tmp_path)) == ["user 1", "user 2"]


def test_before_it_is_open_nothing_happens(tmp_path: Path) -> None:
    view(1)
    assert not (tmp_path / "audit").exists()


def test_whatever_goes_wrong_is_logged_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as log, open_trail(settings_of(tmp_path)):
        trail.viewed(None, user=1, address=2)  # type: ignore[arg-type]
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda *_: os.fstat(-1))  # OSError
            view(1)
        view(2)
    assert [entry["event"] for entry in log] == ["audit_failed"] * 2
    assert viewers(lines(tmp_path)) == ["user 2"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file stands in the way")
    with pytest.raises(ConfigurationError, match="audit"):
        Trail(settings_of(tmp_path))


def test_old_files_go_unless_the_collector_waits_for_them(
    tmp_path: Path, authority: Authority, client: Certificate
) -> None:
    old = tmp_path / "audit" / "audit-20200101.log"
    old.parent.mkdir()
    old.write_bytes(b"a message\n")
    syslog = {"host": "127.0.0.1", "port": 1, "ca": authority.ca, **client.files}
    with open_trail(settings_of(tmp_path, keep_days=30, syslog=syslog)):
        assert old.exists()
    with open_trail(settings_of(tmp_path, keep_days=30)):
        assert not old.exists()


# --- syslog


def syslog_to(port: int, authority: Authority, client: Certificate) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "ca": authority.ca, **client.files, "timeout_seconds": 60}


def test_the_collector_gets_each_message(
    tmp_path: Path, authority: Authority, server: Certificate, client: Certificate
) -> None:
    with syslog_collector(server, authority.ca) as collector:
        with open_trail(settings_of(tmp_path, syslog=syslog_to(collector.port, authority, client))):
            for number in range(3):
                view(number)
                wait_for(lambda: len(collector.messages) > number)  # noqa: B023 - waits here
        assert collector.messages == lines(tmp_path)


def is_noted(data_dir: Path) -> bool:
    """Tell whether the forwarder has noted that everything is sent: until then it would send it again."""
    position = data_dir / "audit" / "syslog.json"
    return position.exists() and sum(json.loads(position.read_text())["sent"].values()) == sum(
        len(line) + 1 for line in lines(data_dir)
    )


def test_what_it_missed_while_away_it_gets_afterwards(
    tmp_path: Path, authority: Authority, server: Certificate, client: Certificate
) -> None:
    with (
        syslog_collector(server, authority.ca) as first,
        open_trail(settings_of(tmp_path, syslog=syslog_to(first.port, authority, client))),
    ):
        view(0)
        wait_for(lambda: first.messages)
    with (
        capture_logs() as log,
        open_trail(settings_of(tmp_path, syslog=syslog_to(first.port, authority, client))),
    ):
        view(1)
        wait_for(lambda: [entry for entry in log if entry["event"] == "audit_waiting"])
        view(2)
        with syslog_collector(server, authority.ca, first.port) as second:
            wait_for(lambda: len(second.messages) == 2)
            wait_for(lambda: [entry for entry in log if entry["event"] == "audit_caught_up"])
    assert viewers(first.messages + second.messages) == ["user 0", "user 1", "user 2"]


def test_a_collector_that_restarts_between_two_messages_loses_none(
    tmp_path: Path, authority: Authority, server: Certificate, client: Certificate
) -> None:
    seen: list[SyslogCollector] = []
    port = 0
    with syslog_collector(server, authority.ca) as collector:
        port = collector.port
        seen.append(collector)
        open_ = open_trail(settings_of(tmp_path, syslog=syslog_to(port, authority, client)))
        open_.__enter__()
        view(0)
        wait_for(lambda: collector.messages and is_noted(tmp_path))
    with syslog_collector(server, authority.ca, port) as collector:
        seen.append(collector)
        view(1)
        wait_for(lambda: collector.messages)
        open_.__exit__(None, None, None)
    assert [viewers(each.messages) for each in seen] == [["user 0"], ["user 1"]]


def test_the_next_day_follows(
    tmp_path: Path,
    authority: Authority,
    server: Certificate,
    client: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = Trail(settings_of(tmp_path))
    monkeypatch.setattr(trail, "datetime", _At(datetime(2026, 5, 17, 23, 59, 59, tzinfo=UTC)))
    kept.record(events.viewed, SUBJECT, user="user 1", address=None)
    monkeypatch.setattr(trail, "datetime", _At(datetime(2026, 5, 18, 0, 0, 1, tzinfo=UTC)))
    kept.record(events.viewed, SUBJECT, user="user 2", address=None)
    kept.close()
    with syslog_collector(server, authority.ca) as collector:
        forwarder = Forwarder(tmp_path / "audit", Syslog(**syslog_to(collector.port, authority, client)))
        forwarder.start()
        wait_for(lambda: len(collector.messages) == 2)
        forwarder.stop()
    assert viewers(collector.messages) == ["user 1", "user 2"]


def test_a_day_whose_file_cannot_be_opened_closes_no_file_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> LineFile:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    kept = Trail(settings_of(tmp_path))
    monkeypatch.setattr(trail, "datetime", _At(datetime(2026, 5, 18, tzinfo=UTC)))
    with monkeypatch.context() as patch:
        patch.setattr(trail, "LineFile", refuse)
        kept.record(events.viewed, SUBJECT, user="user 1", address=None)
        kept._queue.flush(PATIENCE_SECONDS)
    with (tmp_path / "other").open("wb", buffering=0) as other:  # has the lowest number that is free
        kept.record(events.viewed, SUBJECT, user="user 2", address=None)
        kept._queue.flush(PATIENCE_SECONDS)
        other.write(b"of others\n")
    kept.close()
    assert (tmp_path / "other").read_bytes() == b"of others\n"
    assert viewers(lines(tmp_path)) == ["user 2"]


def test_a_clock_that_is_set_back_hides_nothing_from_the_collector(
    tmp_path: Path,
    authority: Authority,
    server: Certificate,
    client: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine begins with a wrong date, and the time server corrects it: to a day that has passed there."""
    with syslog_collector(server, authority.ca) as collector:
        settings = settings_of(tmp_path, syslog=syslog_to(collector.port, authority, client))
        kept = Trail(settings)
        for number, day in enumerate((18, 17, 18, 19)):
            monkeypatch.setattr(trail, "datetime", _At(datetime(2036, 5, day, 12, tzinfo=UTC)))
            kept.record(events.viewed, SUBJECT, user=f"user {number}", address=None)
            wait_for(lambda: len(collector.messages) > number)  # noqa: B023 - waits here
            if number == 1:  # as with a restart
                kept.close()
                kept = Trail(settings)
        kept.close()
    assert viewers(collector.messages) == ["user 0", "user 1", "user 2", "user 3"]
    assert [file.name for file in sorted((tmp_path / "audit").glob("audit-2036*.log"))] == [
        "audit-20360517.log",
        "audit-20360518.log",
        "audit-20360519.log",
    ]


def test_what_an_earlier_version_has_sent_is_not_sent_again(
    tmp_path: Path, authority: Authority, server: Certificate, client: Certificate
) -> None:
    """It noted one file; those before it were sent."""
    folder = tmp_path / "audit"
    folder.mkdir()
    for day in ("20260516", "20260517"):
        (folder / f"audit-{day}.log").write_bytes(b"sent\n")
    (folder / "audit-20260518.log").write_bytes(b"sent\nnew\n")
    (folder / "syslog.json").write_text('{"file": "audit-20260518.log", "offset": 5}')
    with syslog_collector(server, authority.ca) as collector:
        forwarder = Forwarder(folder, Syslog(**syslog_to(collector.port, authority, client)))
        forwarder.start()
        wait_for(lambda: collector.messages)
        forwarder.stop()
    assert collector.messages == [b"new"]


def test_a_file_that_cannot_be_read_now_is_no_bug(
    tmp_path: Path,
    authority: Authority,
    server: Certificate,
    client: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with syslog_collector(server, authority.ca) as collector, capture_logs() as log:
        view_at = Forwarder(tmp_path / "audit", Syslog(**syslog_to(collector.port, authority, client)))
        monkeypatch.setattr(forward, "open_lock", _no_descriptor)
        with open_trail(settings_of(tmp_path)):
            view(0)
        view_at.start()
        wait_for(lambda: [entry for entry in log if entry["event"] == "audit_waiting"])
        monkeypatch.undo()
        wait_for(lambda: collector.messages)
        view_at.stop()
    assert "Too many open files" in next(each for each in log if each["event"] == "audit_waiting")["reason"]
    assert not [entry for entry in log if entry["event"] == "bug"]


def _no_descriptor(path: Path) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))


def test_a_process_with_many_connections_sends_too(
    authority: Authority, server: Certificate, client: Certificate
) -> None:
    """`select` takes no descriptor beyond 1023."""
    with ExitStack() as stack, syslog_collector(server, authority.ca) as collector:
        while (taken := os.open(os.devnull, os.O_RDONLY)) < 1024:
            stack.callback(os.close, taken)
        stack.callback(os.close, taken)
        forwarder = Collector(Syslog(**syslog_to(collector.port, authority, client)))
        forwarder.send([b"a message"])
        wait_for(lambda: collector.messages == [b"a message"])
        forwarder.close()


class _At:
    """A clock that stands."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self, _: Any) -> datetime:
        return self._moment


def test_one_forwarder_of_several_sends(
    tmp_path: Path, authority: Authority, server: Certificate, client: Certificate
) -> None:
    with syslog_collector(server, authority.ca) as collector:
        rules = Syslog(**syslog_to(collector.port, authority, client))
        with open_trail(settings_of(tmp_path, syslog=rules.model_dump())):
            view(0)
            wait_for(lambda: collector.messages)
            other = Forwarder(tmp_path / "audit", rules)
            other.start()
            view(1)
            wait_for(lambda: len(collector.messages) == 2)
            other.stop()
    assert viewers(collector.messages) == ["user 0", "user 1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("expired collector", "certificate has expired"),
        ("another name", "IP address mismatch"),
        ("another authority", "self-signed certificate in certificate chain|unable to get local issuer"),
        ("no certificate of ours", "asks for a certificate of ours"),
        ("our certificate expired", "our certificate has expired"),
    ],
)
def test_a_certificate_that_is_refused_is_named(
    change: str, words: str, tmp_path: Path, authority: Authority, server: Certificate, client: Certificate
) -> None:
    trusted, shown, ours = authority.ca, server, client.files
    match change:
        case "expired collector":
            shown = authority.sign("expired", days=-1)
        case "another name":
            shown = authority.sign("elsewhere", host="subjectAltName=IP:192.0.2.1")
        case "another authority":
            trusted = Authority(tmp_path / "other").ca
        case "no certificate of ours":
            ours = {}
        case "our certificate expired":
            ours = authority.sign("old", days=-1).files
    with capture_logs() as log, syslog_collector(shown, authority.ca) as collector:
        syslog = {"host": "127.0.0.1", "port": collector.port, "ca": trusted, **ours}
        with open_trail(settings_of(tmp_path, syslog=syslog)):
            view(1)
            (told, *_) = wait_for(lambda: [each for each in log if each["event"] == "audit_waiting"])
        assert not collector.messages
    assert any(each in told["reason"] for each in words.split("|")), told


def test_nobody_waits_for_a_disk_that_hangs_and_it_gets_every_message_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    append = LineFile.append

    def append_once_back(file: LineFile, line: bytes) -> int:
        back.wait()
        return append(file, line)

    monkeypatch.setattr(trail, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(LineFile, "append", append_once_back)
    with open_trail(settings_of(tmp_path)):
        for number in range(3):
            view(number)
        assert lines(tmp_path) == []
        back.set()
        wait_for(lambda: len(lines(tmp_path)) == 3)
    assert viewers(lines(tmp_path)) == ["user 0", "user 1", "user 2"]
