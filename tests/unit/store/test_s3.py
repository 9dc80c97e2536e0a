"""A store in a bucket has what it has confirmed, whatever the server does; what it has not is waited for."""

from __future__ import annotations

import hashlib
import shutil
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import Missing, Retry
from gateway.settings import Settings
from gateway.store import bucket
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects
from gateway.store.orphans import sweep
from gateway.store.stores import look_into_stores, open_stores
from tests.support import s3_server as s3_server_module
from tests.support.ledger_rows import received as row_of
from tests.support.s3_server import Fault, Kept, S3Server, s3_server
from tests.support.sources import dx, encoded


@pytest.fixture
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def received(server: S3Server, ledger: Ledger, tmp_path: Path) -> Objects:
    return open_stores(Settings(data_dir=tmp_path, store=server.settings()), ledger).received


def finished(store: Objects, content: bytes | None = None) -> Path:
    """Return the path of a received file that is not yet published."""
    content = content or encoded(dx())
    head = 144 + int.from_bytes(content[140:144], "little")
    draft = store.begin(content[:head])
    draft.write(content[head:])
    return store.finish(draft, f"{draft.sha256}.dcm")


def forget_copies(store: Objects) -> None:
    """Be another host."""
    shutil.rmtree(store.root)


def key_of(path: Path) -> str:
    return f"received/{path.stem}"


def test_a_published_object_is_sent_once_with_its_checksum_and_may_be_fetched_anywhere(
    server: S3Server, received: Objects
) -> None:
    content = encoded(dx())
    path = finished(received, content)
    assert received.publish(path)
    assert server.objects[key_of(path)].content == content
    (sent,) = [h for (method, key), h in zip(server.requests, server.headers, strict=True)
               if (method, key) == ("PUT", key_of(path))]  # fmt: skip
    lower = {name.lower(): value for name, value in sent.items()}
    assert lower["if-none-match"] == "*"
    assert b64decode(lower["x-amz-checksum-sha256"]).hex() == hashlib.sha256(content).hexdigest()
    forget_copies(received)
    received.fetch(path)
    assert path.read_bytes() == content
    requests = len(server.requests)
    received.fetch(path)  # the copy serves
    assert len(server.requests) == requests


def test_bytes_that_are_there_already_are_not_sent_over_them(server: S3Server, received: Objects) -> None:
    path = finished(received)
    assert received.publish(path)
    written = server.objects[key_of(path)].modified
    assert not received.publish(path)
    assert server.objects[key_of(path)].modified == written


def test_a_server_without_conditions_gets_the_same_bytes_again(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    server.knows_conditions = False
    settings = Settings(data_dir=tmp_path, store=server.settings(conditional_put=False, checksum=False))
    store = open_stores(settings, ledger).received
    path = finished(store)
    for _ in range(2):
        assert not store.publish(path)  # it may have been there
    forget_copies(store)
    store.fetch(path)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.SLOW_DOWN, Fault.STALL, Fault.KEPT_IN_SILENCE])
def test_a_request_that_fails_once_is_asked_again(server: S3Server, received: Objects, fault: Fault) -> None:
    path = finished(received)
    server.faults["PUT"] = [fault]
    received.publish(path)
    assert server.objects[key_of(path)].content == path.read_bytes()


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.SLOW_DOWN, Fault.STALL, Fault.DENIED, Fault.FORGOTTEN])
def test_nothing_is_confirmed_that_the_server_does_not_have(
    server: S3Server, received: Objects, fault: Fault
) -> None:
    path = finished(received)
    server.faults["PUT"] = [fault] * 20
    with pytest.raises(Retry, match=r"s3://gateway/received/"):
        received.publish(path)
    assert key_of(path) not in server.objects
    with pytest.raises(Retry):  # nobody else waits for it now
        received.begin()


def test_an_object_that_was_forgotten_once_is_sent_again(server: S3Server, received: Objects) -> None:
    path = finished(received)
    server.faults["PUT"] = [Fault.FORGOTTEN]
    received.publish(path)
    assert server.objects[key_of(path)].content == path.read_bytes()


def test_reading_back_finds_what_a_server_damages(server: S3Server, ledger: Ledger, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, store=server.settings(confirm="read"))
    store = open_stores(settings, ledger).received
    path = finished(store)
    server.faults["PUT"] = [Fault.DAMAGED, Fault.DAMAGED]
    with pytest.raises(Retry, match="does not have it as it was"):
        store.publish(path)
    server.faults["PUT"] = []
    assert not store.publish(path)  # the damaged one is overwritten
    assert server.objects[key_of(path)].content == path.read_bytes()


def test_a_damaged_or_deleted_object_is_missing_and_may_come_back(
    server: S3Server, received: Objects
) -> None:
    path = finished(received)
    received.publish(path)
    forget_copies(received)
    kept = server.objects[key_of(path)]
    whole = kept.content
    for damage in (whole[:-1], whole[:-1] + b"?", b"", whole[:100]):
        kept.content = damage
        with pytest.raises(Missing, match="gone or damaged"):
            received.fetch(path)
    del server.objects[key_of(path)]
    with pytest.raises(Missing):
        received.fetch(path)
    assert not received.has(path)
    server.objects[key_of(path)] = kept
    kept.content = whole
    received.fetch(path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.STALL, Fault.DENIED, Fault.BROKEN_OFF])
def test_a_server_that_gives_nothing_is_away_and_nothing_is_missing(
    server: S3Server, received: Objects, fault: Fault
) -> None:
    path = finished(received)
    received.publish(path)
    forget_copies(received)
    server.faults["GET"] = [fault] * 20
    with pytest.raises(Retry) as raised:
        received.fetch(path)
    assert not isinstance(raised.value, Missing)
    assert not path.exists()


def test_another_bucket_has_no_mark_and_nothing_is_missing_in_it(server: S3Server, received: Objects) -> None:
    path = finished(received)
    received.publish(path)
    forget_copies(received)
    mark = server.objects.pop("received/.gateway-id")
    del server.objects[key_of(path)]
    with pytest.raises(Retry, match="has no mark") as raised:
        received.fetch(path)
    assert not isinstance(raised.value, Missing)
    assert mark.content.decode().strip() in (received.problem() or "")
    with pytest.raises(Retry):
        received.begin()
    server.objects["received/.gateway-id"] = mark
    assert received.problem() is None
    received.begin().discard()


def test_a_page_that_a_proxy_answers_at_the_first_start_does_not_become_the_mark(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    server.objects["received/.gateway-id"] = Kept(b"<html><title>Log in</title></html>")
    with pytest.raises(Retry, match="does a proxy answer there"):
        open_stores(Settings(data_dir=tmp_path, store=server.settings()), ledger)
    del server.objects["received/.gateway-id"]
    open_stores(Settings(data_dir=tmp_path, store=server.settings()), ledger).received.check()


def test_a_command_opens_no_store_before_a_role_has_marked_it(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, store=server.settings(prefix="site/a"))
    assert look_into_stores(settings, ledger) is None
    opened = open_stores(settings, ledger)
    assert set(server.objects) == {"site/a/received/.gateway-id", "site/a/results/.gateway-id"}
    assert [each.problem() for each in opened] == [None, None]
    looked = look_into_stores(settings, ledger)
    assert looked
    assert [each.problem() for each in looked] == [None, None]


def test_what_retention_removes_is_gone(server: S3Server, received: Objects) -> None:
    path = finished(received)
    received.publish(path)
    size = len(server.objects[key_of(path)].content)
    assert received.used_bytes() == size
    assert received.remove(path) == size
    assert received.remove(path) == 0
    assert not path.exists()
    assert key_of(path) not in server.objects


def test_old_objects_may_be_orphans_young_ones_not(server: S3Server, received: Objects) -> None:
    old, young = finished(received), finished(received)
    for path in (old, young):
        received.publish(path)
    server.objects[key_of(old)].modified -= timedelta(hours=25)
    assert list(received.orphans()) == [old]


def test_a_server_whose_clock_is_days_behind_loses_no_new_object(
    server: S3Server, received: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = timedelta(days=3)
    monkeypatch.setattr(s3_server_module, "utc_now", lambda: datetime.now(UTC) - days)
    old, young = finished(received), finished(received)
    for path in (old, young):
        received.publish(path)
    server.objects[key_of(old)].modified -= timedelta(hours=25)
    assert list(received.orphans()) == [old]
    assert (received.is_orphan(old), received.is_orphan(young)) == (True, False)


def test_a_list_of_objects_without_an_end_is_given_up(
    received: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    received.publish(finished(received))
    monkeypatch.setattr(bucket, "_PAGE", 2)  # of 1000 objects, each a request to this server
    monkeypatch.setattr(s3_server_module, "ENDS", "<IsTruncated>true</IsTruncated>"
                        "<NextContinuationToken>again</NextContinuationToken>")  # fmt: skip
    with pytest.raises(Retry, match="repeats itself"):
        list(received.orphans())


def test_the_sweep_deletes_old_objects_without_a_row_and_no_others(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, store=server.settings())
    stores = open_stores(settings, ledger)
    kept = Ledger(ledger._engine, settings.directory.kept)
    orphan, known, young = (finished(stores.received) for _ in range(3))
    for path in (orphan, known, young):
        stores.received.publish(path)
    for path in (orphan, known):
        server.objects[key_of(path)].modified -= timedelta(hours=25)
    kept.record_received(row_of(tmp_path, path=known, sha256=known.stem))
    sweep(kept, stores)
    assert key_of(orphan) not in server.objects
    assert {key_of(known), key_of(young), "received/.gateway-id"} <= set(server.objects)


def test_bytes_that_come_again_while_their_object_goes_are_refused_for_now(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, store=server.settings())
    store, kept = open_stores(settings, ledger).received, Ledger(ledger._engine, settings.directory.kept)
    path = finished(store)
    store.publish(path)
    assert not store.publish(path)  # the receiver finds it there,
    store.remove(path)  # and it is deleted before its row is written
    row = row_of(tmp_path, path=path, sha256=path.stem)
    with pytest.raises(Retry, match="send it again"):
        kept.record_received(row, is_there=lambda: store.has(path))
    assert kept.queued() == 0
