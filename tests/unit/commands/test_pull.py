"""`gateway pull` on a real ledger, against a scripted archive."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.commands import pull
from gateway.settings import Settings
from gateway.store.opening import open_database
from tests.support.command_line import Done, run_command
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.pulling import puller_for
from tests.support.sources import dx
from tests.wire.archive import Archive, archive_of

IMAGE = dx(StudyDate="20261103", AccessionNumber="A-77", PatientID="P-0815")


class Site:
    """A settings file and an empty ledger."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        self.config = folder / "gateway.yaml"
        settings = {"data_dir": str(folder / "var"), "sources": [archive.source()]}
        self.config.write_text(yaml.safe_dump(settings))
        open_database(Settings(data_dir=folder / "var"))[0].dispose()

    def run(self, *arguments: str) -> Done:
        return run_command("pull", *arguments, "--config", self.config)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with archive_of([IMAGE]) as archive:
        yield archive


@pytest.fixture
def site(tmp_path: Path, archive: Archive) -> Site:
    return Site(tmp_path, archive)


@pytest.mark.parametrize(
    "query",
    [
        ("--date", "2026-11-01..2026-11-30"),
        ("--date", "2026-11-03"),
        ("--accession", "A-77"),
        ("--patient", "P-0815"),
        ("--study", str(IMAGE.StudyInstanceUID)),
    ],
)
def test_a_dry_run_lists_and_fetches_nothing(site: Site, archive: Archive, query: tuple[str, ...]) -> None:
    done = site.run("--from", "pacs", *query, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["20261103", "DX", "1", "wanted", IMAGE.StudyInstanceUID]
    assert archive.sent == []
    assert site.run("--list").stdout == ""


def test_studies_are_fetched_shown_and_listed(site: Site) -> None:
    done = site.run("--date", "2026-11-03")
    assert (done.returncode, done.stdout) == (0, "1 complete\n"), done.stderr
    assert "1/1" in site.run("--list", "--state", "complete").stdout
    (shown,) = json.loads(site.run("--show", IMAGE.StudyInstanceUID, "--json").stdout)
    assert (shown["pull"]["state"], shown["listed"], shown["missing"]) == ("complete", 1, [])
    again = site.run("--date", "2026-11-03")
    assert (again.returncode, again.stdout) == (0, "nothing was due\n")


def test_a_study_that_is_not_complete_ends_with_one_line_and_is_shown_with_what_is_missing(
    site: Site, archive: Archive
) -> None:
    def send_nothing(*_: object) -> Iterator[Any]:
        yield 0

    archive.send = send_nothing
    done = site.run("--accession", "A-77")
    assert done.returncode == 1
    assert "1 studies are not complete (1 missing: the source said that all was sent)" in done.stderr
    assert f"missing  {IMAGE.SOPInstanceUID}" in site.run("--show", IMAGE.StudyInstanceUID).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--from", "pac", "--date", "2026-11-03"),
            "pac: no such source; there are pacs; did you mean 'pacs'?",
        ),
        (("--date", "3.11.2026"), "write 2026-11-01 or 2026-11-01..2026-11-30"),
        (("--date", "2026-11-30..2026-11-01"), "the first day is after the last"),
        (("--patient", "*"), "state one whole identifier"),
        (("--dry-run",), "state --date, --accession, --patient or --study"),
        (("--list", "--state", "partal"), "did you mean 'partial'?"),
    ],
)
def test_what_is_misused_is_told(site: Site, arguments: tuple[str, ...], told: str) -> None:
    done = site.run(*arguments)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_what_is_fetched_is_audited_and_the_log_names_no_patient(site: Site) -> None:
    site.run("--patient", "P-0815")
    folder = site.config.parent / "var"
    assert "P-0815" in "".join(path.read_text() for path in (folder / "audit").glob("*.log"))
    assert "P-0815" not in (folder / "log" / "gateway.jsonl").read_text()


def test_a_signal_ends_a_pull_wherever_it_comes(tmp_path: Path, archive: Archive) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with puller_for(tmp_path, archive.source()) as here:
        settings = Settings(data_dir=tmp_path, sources=[archive.source()])
        with pull._pulling(settings, here.ledger, "pacs") as puller:
            with puller._stopping._cond:  # type: ignore[attr-defined] # as `wait` holds it on its way
                signal.raise_signal(signal.SIGTERM)
            assert puller._stopping.wait(PATIENCE_SECONDS)
    assert signal.getsignal(signal.SIGTERM) == before
