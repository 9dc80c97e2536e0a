"""Several workers share the work on either database; what holds up one image or worker holds up no other."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.postgresql import postgresql
from tests.support.sources import dx, encoded

IMAGES = 16


def send(gateway: GatewayProcess, folder: Path, count: int) -> list[str]:
    """Send as many images; return their SOP Instance UIDs in that order."""
    images = [dx(InstanceNumber=number) for number in range(count)]
    files = [folder / f"{number}.dcm" for number in range(count)]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(encoded(image))
    assert all(sent.stored for sent in gateway.send(*files))
    return [str(image.SOPInstanceUID) for image in images]


def delivered(gateway: GatewayProcess, uids: list[str]) -> int:
    return len(set(uids) & {row["sop_instance_uid"] for row in gateway.images("delivered")})


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def workers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway with two workers."""
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as stack:
        database = "sqlite" if request.param == "sqlite" else stack.enter_context(postgresql(folder))
        yield stack.enter_context(running(folder, doubles=["instant"], workers=2, database=database))


def test_two_workers_answer_everything_once(workers: GatewayProcess, tmp_path: Path) -> None:
    uids = send(workers, tmp_path, IMAGES)
    wait_for(lambda: delivered(workers, uids) == IMAGES)
    results = [path for path in (workers.data_dir / "outbox").rglob("*") if path.is_file()]
    assert len(results) == 2 * IMAGES


def test_a_worker_that_hangs_holds_up_no_other(workers: GatewayProcess, tmp_path: Path) -> None:
    hung = workers.pause("work")
    uids = send(workers, tmp_path, 1)
    wait_for(lambda: delivered(workers, uids) == 1)
    with suppress(ProcessLookupError):  # on a loaded machine it was replaced meanwhile
        os.kill(hung, signal.SIGCONT)
    assert workers.stop() == 0
    assert "Traceback" not in workers.stderr()


def test_a_file_that_cannot_be_read_holds_up_no_other(gateway: GatewayProcess, tmp_path: Path) -> None:
    gateway.pause("work")
    uids = send(gateway, tmp_path, 8)
    source = Path(gateway.versions(uids[0])[0]["source"])
    content = source.read_bytes()
    source.unlink()
    source.mkdir()  # reading it fails now, as on a disk that is away
    os.kill(gateway.role("work"), signal.SIGCONT)
    wait_for(lambda: delivered(gateway, uids) == 7)
    source.rmdir()
    source.write_bytes(content)
    wait_for(lambda: delivered(gateway, uids) == 8)
