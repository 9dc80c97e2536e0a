"""Several workers share the work; what holds up one image or one database holds up nothing else for good."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.postgresql import PostgreSQL, postgresql
from tests.support.sources import dx, encoded


def write_images(folder: Path, count: int) -> list[Path]:
    files = [folder / f"{number}.dcm" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(dx(InstanceNumber=number)))
    return files


def send(gateway: GatewayProcess, *files: Path) -> None:
    assert all(sent.stored for sent in gateway.send(*files))


def delivered(gateway: GatewayProcess) -> int:
    return len(gateway.images("delivered"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        yield "sqlite" if request.param == "sqlite" else stack.enter_context(postgresql(tmp_path))


def test_two_workers_answer_everything_once(tmp_path: Path, database: str) -> None:
    files = write_images(tmp_path, 40)
    with running(tmp_path, workers=2, database=database) as gateway:
        send(gateway, *files)
        wait_for(lambda: delivered(gateway) == len(files))
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.stderr()
    results = [path for path in (gateway.data_dir / "outbox").rglob("*") if path.is_file()]
    assert len(results) == 2 * len(files)


def test_a_database_that_goes_away_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    before, after = write_images(tmp_path, 8)[:4], write_images(tmp_path, 8)[4:]
    with PostgreSQL(tmp_path) as server, running(tmp_path, database=server.url) as gateway:
        send(gateway, *before)
        server.stop()
        assert not any(sent.stored for sent in gateway.send(*after))
        wait_for(lambda: gateway.events("waiting"))
        server.start()
        wait_for(lambda: all(sent.stored for sent in gateway.send(*after)))
        wait_for(lambda: delivered(gateway) == 8)
        assert gateway.stop() == 0


def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    files = write_images(tmp_path, 8)
    with running(tmp_path) as gateway:
        os.kill(gateway.role("work"), signal.SIGSTOP)
        send(gateway, *files)
        first = gateway.images()[-1]["sop_instance_uid"]
        source = Path(gateway.ask("show", first)[0]["source"])
        content = source.read_bytes()
        source.unlink()
        source.mkdir()  # reading it fails now, as on a disk that is away
        os.kill(gateway.role("work"), signal.SIGCONT)
        wait_for(lambda: delivered(gateway) == 7)
        source.rmdir()
        source.write_bytes(content)
        wait_for(lambda: delivered(gateway) == 8)
