"""The doctor says what a PostgreSQL server is not fit for, and what to change there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.doctor.finding import Finding, Severity
from gateway.doctor.storage import database
from gateway.settings import Settings
from gateway.store import clock
from gateway.store.opening import open_database
from tests.support.pgbouncer import pgbouncer
from tests.support.postgresql import PostgreSQL, Standby


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    folder = tmp_path_factory.mktemp("postgresql")
    with PostgreSQL(folder, synchronous_commit="off", clock_ahead_seconds=300) as server:
        yield server


@pytest.fixture(autouse=True)
def the_servers_clock_is_forgotten() -> Iterator[None]:
    yield
    clock.forget()


def found(folder: Path, url: str, **changes: object) -> dict[str, Finding]:
    settings = Settings.model_validate({"data_dir": folder / "var", "database": url, **changes})
    return {finding.told: finding for finding in database(settings)}


def matching(findings: dict[str, Finding], words: str) -> Finding:
    (told,) = [told for told in findings if words in told]
    return findings[told]


def test_a_server_is_examined(server: PostgreSQL, tmp_path: Path) -> None:
    open_database(Settings(data_dir=tmp_path / "var", database=server.url))[0].dispose()
    findings = found(tmp_path, server.url)
    verdicts = {told: finding.verdict for told, finding in findings.items()}
    assert verdicts["the server takes writes"] is Severity.GOOD
    assert verdicts["synchronous_commit is off there, and on in the gateway's transactions"] is Severity.GOOD
    assert matching(findings, "connections used").verdict is Severity.GOOD
    clocks = matching(findings, "ahead of this machine's")
    assert (clocks.verdict, "its clock is 300 s" in clocks.told) == (Severity.DOUBTFUL, True)


def test_more_roles_than_connections_are_doubtful(server: PostgreSQL, tmp_path: Path) -> None:
    used = matching(found(tmp_path, server.url, workers=8), "connections used")
    assert used.verdict is Severity.DOUBTFUL
    assert "the roles of this machine may open 200" in used.told


def test_a_server_that_takes_no_writes_is_wrong(server: PostgreSQL, tmp_path: Path) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("ALTER ROLE gateway SET default_transaction_read_only = on")
        finding = matching(found(tmp_path, server.url), "takes no writes")
        admin.execute("ALTER ROLE gateway RESET default_transaction_read_only")
    assert finding.verdict is Severity.WRONG
    assert "default_transaction_read_only = off" in finding.advice


def test_a_pooler_is_told(server: PostgreSQL, tmp_path: Path) -> None:
    with pgbouncer(server) as url:
        assert matching(found(tmp_path, url), "a pooler stands between").verdict is Severity.GOOD
    with pgbouncer(server, mode="statement") as url:
        refused = matching(found(tmp_path, url), "statement pooling mode")
    assert refused.verdict is Severity.WRONG
    assert "pool_mode = transaction" in refused.advice


def test_a_standby_is_wrong_and_one_that_nobody_waits_for_is_doubtful(tmp_path: Path) -> None:
    with PostgreSQL(tmp_path) as primary, Standby(primary, tmp_path) as standby:
        alone = matching(found(tmp_path, standby.url), "is a standby")
        both = f"postgresql://gateway@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres"
        findings = found(tmp_path, both)
    assert (alone.verdict, "promote" in alone.advice) == (Severity.WRONG, True)
    assert "the server takes writes" in findings
    assert matching(findings, "do not wait for a standby").verdict is Severity.DOUBTFUL
