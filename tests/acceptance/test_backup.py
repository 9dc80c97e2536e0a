"""Back up and restore by docs/operations/store.md: its commands are run while the gateway receives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.gateway_process import ROOT, GatewayProcess, running, wait_for
from tests.support.missing_peer import leave_out
from tests.support.postgresql import postgresql

SAMPLES = ROOT / "sample_dicoms"
BEFORE = [SAMPLES / name for name in ("dx_pa_normal.dcm", "dx_pa_consolidation.dcm", "dx_hand.dcm")]
MEANWHILE = [SAMPLES / name for name in ("cr_pa_rle.dcm", "dx_pa_jpeg_2000.dcm")]
DOCUMENT = (ROOT / "docs" / "operations" / "store.md").read_text()
SECTION = DOCUMENT.split("\n## Back up and restore")[1].split("\n## ")[0]


def commands(introduction: str) -> str:
    """Return the commands of the section that follow a sentence."""
    found = re.search(
        rf"^{re.escape(introduction)}[^\n]*(?:\n[^\n`]+)*\n\n```sh\n(.*?)```", SECTION, re.M | re.S
    )
    assert found, introduction
    return found[1]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def kind(request: pytest.FixtureRequest) -> str:
    program = "sqlite3" if request.param == "SQLite" else "pg_dump"
    if shutil.which(program) is None:
        leave_out(f"{program} is missing: apt-get install sqlite3 postgresql-client")
    return str(request.param)


@pytest.fixture
def databases(kind: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Yield the database that is backed up, and the one that is restored."""
    with ExitStack() as stack:
        if kind == "SQLite":
            yield "sqlite", "sqlite"
            return
        folders = [tmp_path / name for name in ("first", "second")]
        for folder in folders:
            folder.mkdir()
        first, second = (stack.enter_context(postgresql(folder)) for folder in folders)
        yield first, second


def run(gateway: GatewayProcess, backup: Path, database: str, *scripts: str) -> subprocess.Popen[bytes]:
    """Start commands of the document with its variables."""
    places = {"DATA": str(gateway.data_dir), "BACKUP": str(backup), "DATABASE": database}
    return subprocess.Popen(["bash", "-euc", "\n".join(scripts)], env=os.environ | places)


def ended(gateway: GatewayProcess, count: int) -> bool:
    images = gateway.images()
    return len(images) == count and all(image["state"] in ("delivered", "ineligible") for image in images)


@pytest.mark.slow
def test_a_copy_of_a_running_gateway_is_restored(
    kind: str, databases: tuple[str, str], tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    first, second = databases
    with running(tmp_path, database=first) as gateway:
        assert all(sent.stored for sent in gateway.send(*BEFORE))
        wait_for(lambda: ended(gateway, len(BEFORE)))
        copying = run(gateway, backup, first, commands(f"Back up with {kind}"), commands("Then, with both"))
        assert all(sent.stored for sent in gateway.send(*MEANWHILE))
        assert copying.wait() == 0
    before = {image["sop_instance_uid"]: image for image in gateway.images()}

    shutil.rmtree(gateway.data_dir)
    gateway.data_dir.mkdir()
    restored = GatewayProcess(tmp_path, database=second)
    restoring = run(restored, backup, second, commands("Restore into"), commands(f"Restore with {kind}"))
    assert restoring.wait() == 0
    restored.start()
    try:
        known = {image["sop_instance_uid"] for image in restored.images()}
        assert len(BEFORE) <= len(known) <= len(BEFORE + MEANWHILE)
        for image in restored.images():
            assert image["sop_class_uid"] == before[image["sop_instance_uid"]]["sop_class_uid"]
        assert all(sent.stored for sent in restored.send(*BEFORE, *MEANWHILE))
        wait_for(lambda: ended(restored, len(BEFORE + MEANWHILE)))
        for image in restored.images():
            (version,) = restored.versions(image["sop_instance_uid"])
            assert all(Path(result["path"]).exists() for result in version["results"])
            assert len(version["results"]) == (2 if image["state"] == "delivered" else 0)
    finally:
        restored.stop()
