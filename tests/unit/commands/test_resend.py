"""`gateway resend` and `gateway config check`, run on a ledger with one answer that was delivered."""

from pathlib import Path

import pytest
import yaml

from gateway.settings import Settings
from gateway.store.opening import open_database
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from tests.support.command_line import Done, run_command
from tests.support.ledger_rows import answer, claim, received, record_answer

OUTBOX = {"name": "outbox", "kind": "folder", "path": "outbox"}
ARCHIVE = {"name": "archive", "kind": "folder", "path": "archive"}
STORED, TO_OUTBOX, TO_ARCHIVE = ("outbox", "stored"), ("outbox", "pending"), ("archive", "pending")


class Site:
    """A settings file, and the data directory of a gateway that has delivered an answer to `outbox`."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "gateway.yaml"
        self.settings = Settings(data_dir=folder / "var")
        self.route("MODALITY")
        self.deliver(1)

    def deliver(self, number: int) -> None:
        """Receive an image, answer it, and deliver the answer to `outbox`."""
        engine, ledger = open_database(self.settings)
        ledger.record_received(received(self.settings.data_dir, number))
        (image,) = claim(ledger, f"batch {number}")
        record_answer(ledger, image, answer(self.settings.data_dir, "outbox", uid=f"2.25.{number}"))
        outbox = Outbox(ledger)
        outbox.record_stored(*outbox.claim("outbox", "worker", 1))
        engine.dispose()

    def route(self, title: str, *added: dict[str, str]) -> None:
        content = {
            "data_dir": str(self.settings.data_dir),
            "destinations": [OUTBOX, ARCHIVE, *added],
            "routes": [{"calling_ae_title": title, "to": ["outbox"]}],
        }
        self.config.write_text(yaml.safe_dump(content))

    def run(self, *arguments: str) -> Done:
        return run_command(*arguments, "--config", self.config)

    def deliveries(self, uid: str = "1.2.1") -> set[tuple[str, str]]:
        engine, ledger = open_database(self.settings)
        (version,) = Images(ledger).versions(uid)
        engine.dispose()
        return {(each.destination, str(each.state)) for each in version.deliveries}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "deliveries"),
    [
        (["1.2.1"], {TO_OUTBOX}),
        (["--study", "1.2.100"], {TO_OUTBOX}),
        (["--since", "2020-01-01"], {TO_OUTBOX}),
        (["1.2.1", "--destination", "archive"], {STORED, TO_ARCHIVE}),
        (["1.2.1", "--to", "archive"], {STORED, TO_ARCHIVE}),
    ],
)
def test_results_are_sent_again(site: Site, arguments: list[str], deliveries: set[tuple[str, str]]) -> None:
    assert site.deliveries() == {STORED}
    done = site.run("resend", *arguments)
    assert (done.returncode, done.stdout) == (0, "requeued 1 deliveries of 1 images\n"), done.stderr
    assert site.deliveries() == deliveries


def test_a_destination_that_was_added_later_gets_what_was_delivered_before(site: Site) -> None:
    site.route("*", {"name": "later", "kind": "folder", "path": "later"})
    done = site.run("resend", "1.2.1", "--to", "later")
    assert done.returncode == 0, done.stderr
    assert site.deliveries() == {STORED, ("later", "pending")}
    again = site.run("resend", "1.2.1", "--to", "later")
    assert "nothing to send: no results, or all of them are on their way already" in again.stderr
    assert site.deliveries() == {STORED, ("later", "pending")}


def test_several_images_are_sent_again_together(site: Site) -> None:
    site.deliver(2)
    done = site.run("resend", "1.2.1", "1.2.2", "--to", "archive")
    assert (done.returncode, done.stdout) == (0, "requeued 2 deliveries of 2 images\n"), done.stderr
    for uid in ("1.2.1", "1.2.2"):
        assert site.deliveries(uid) == {STORED, TO_ARCHIVE}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "state the SOP Instance UID of an image, --study or --since"),
        (["1.2.1", "--destination", "pacs"], 2, "pacs: no such destination; there are outbox, archive"),
        (
            ["1.2.1", "--to", "archiv"],
            2,
            "archiv: no such destination; there are outbox, archive; did you mean",
        ),
        (["1.2.1", "1.2.9", "--to", "archive"], 1, "1.2.9: no image with this SOP Instance UID was received"),
        (["1.2.9"], 1, "1.2.9: no image with this SOP Instance UID was received"),
        (["--study", "1.2.9"], 1, "nothing to send"),
    ],
)
def test_nothing_is_sent_again_by_a_wrong_request(
    site: Site, arguments: list[str], status: int, words: str
) -> None:
    done = site.run("resend", *arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert site.deliveries() == {STORED}


def test_config_check_warns_of_senders_without_a_route(site: Site) -> None:
    done = site.run("config", "check")
    assert (done.returncode, done.stdout) == (0, "the settings are right\n")
    assert (
        "routes: for AE titles that no route without a condition names no route leads anywhere" in done.stderr
    )
    site.route("*")
    assert "no route leads anywhere" not in site.run("config", "check").stderr
