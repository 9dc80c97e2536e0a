"""A whole gateway over PostgreSQL: behind a pooler, and with a standby that takes over."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.pgbouncer import pgbouncer
from tests.support.postgresql import PostgreSQL, Standby
from tests.support.sources import dx, encoded

pytestmark = pytest.mark.slow

INSTANT = ["instant"]


def image(folder: Path) -> Path:
    """Write a radiograph of its own."""
    source = dx()
    file = folder / f"{source.SOPInstanceUID}.dcm"
    file.write_bytes(encoded(source))
    return file


def send_until_acknowledged(gateway: GatewayProcess, file: Path) -> None:
    """Send as a modality does: again, while the gateway has no room."""
    wait_for(lambda: all(sent.stored for sent in gateway.send(file)))


def assert_answered_once(gateway: GatewayProcess, count: int) -> None:
    wait_for(lambda: len(gateway.images("delivered")) == count)
    assert len(gateway.images()) == count
    results = [path for path in (gateway.data_dir / "outbox").rglob("*") if path.is_file()]
    assert len(results) == 2 * count
    assert [event.get("exception") for event in gateway.events("bug")] == []


def test_behind_a_pooler_two_workers_answer_everything_once_though_it_crashes(tmp_path: Path) -> None:
    with (
        PostgreSQL(tmp_path, synchronous_commit="off") as server,
        pgbouncer(server, size=4) as url,
        running(tmp_path, doubles=INSTANT, workers=2, database=url) as gateway,
    ):
        for number in range(12):
            if number in {4, 8}:
                server.restart()
            send_until_acknowledged(gateway, image(tmp_path))
        assert_answered_once(gateway, 12)
        assert gateway.stop() == 0


def test_after_a_fail_over_senders_and_workers_go_on_at_the_promoted_standby(tmp_path: Path) -> None:
    with PostgreSQL(tmp_path) as primary, Standby(primary, tmp_path) as standby:
        with psycopg.connect(primary.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
        both = f"postgresql://gateway@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        with running(tmp_path, doubles=INSTANT, database=both) as gateway:
            for _ in range(4):
                send_until_acknowledged(gateway, image(tmp_path))
            primary.crash()
            last = image(tmp_path)
            assert not any(sent.stored for sent in gateway.send(last))
            assert gateway.events("refused")[-1]["status"] == "0xA700"
            standby.promote()
            send_until_acknowledged(gateway, last)
            assert_answered_once(gateway, 5)
            assert gateway.images("failed") == []
            assert gateway.stop() == 0
