"""A gateway whose database is away at its start waits, says so, and serves once the database is there."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.free_ports import free_port
from tests.support.gateway_process import GatewayProcess, wait_for
from tests.support.manager import Manager
from tests.support.postgresql import PostgreSQL


def ask(port: int, path: str) -> tuple[int, dict[str, str]]:
    """Return status and body of a health port; 0 before it answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except urllib.error.URLError:
        return 0, {}


def test_it_waits_says_why_and_serves_once_the_database_is_there(tmp_path: Path) -> None:
    manager, port = Manager(str(tmp_path / "notify")), free_port()
    with PostgreSQL(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        server.stop()
        gateway = GatewayProcess(
            tmp_path,
            environment={"NOTIFY_SOCKET": manager.variable},
            doubles=["instant"],
            database=server.url,
            scp={"health_port": port},
        )
        starting = pool.submit(gateway.start)
        wait_for(lambda: gateway.events("waiting"))
        assert wait_for(lambda: ask(port, "/health/live")[0]) == 200
        status, told = ask(port, "/health/ready")
        assert (status, told["status"]) == (503, "not ready")
        assert "Connection refused" in told["detail"]
        assert "waits: database: cannot be opened" in manager.hear()

        server.start()
        starting.result()
        assert ask(port, "/health/ready")[0] == 200
        assert len(gateway.events("waiting")) <= 2  # refused, then perhaps starting up
        assert gateway.stop() == 0
    manager.close()


def test_it_ends_in_order_while_it_waits(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, database=f"postgresql://gateway@127.0.0.1:{free_port()}/postgres")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(gateway.start)
        wait_for(lambda: gateway.events("waiting"))
        assert gateway.stop() == 0
        with pytest.raises(AssertionError):
            starting.result()


@pytest.mark.parametrize("wrong", [("postgres", "hospital"), ("gateway@", "nobody@")])
def test_a_server_that_lets_nobody_in_is_told_at_once(tmp_path: Path, wrong: tuple[str, str]) -> None:
    with PostgreSQL(tmp_path) as server:
        scheme, _, rest = server.url.partition("//")
        done = GatewayProcess(tmp_path, database=f"{scheme}//{rest.replace(*wrong)}").refusal()
    assert done.returncode == 2
    assert "does not exist" in done.stderr
