"""A new kind of result and a new kind of destination are a file each: the way from one to the other is there.

`tests/support/text_answer.py` and `tests/support/mailbox.py` are those files. They are registered as the
shipped kinds are: an entry in a tuple, an entry in a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gateway.deliver import destinations as shipped
from gateway.deliver.destinations import open_destinations
from gateway.deliver.routing import route_of
from gateway.processes.couriers import couriers_of
from gateway.records import GreyImage, State
from gateway.results import kinds as shipped_results
from gateway.results.answer import summary
from gateway.results.result import AnsweredImage, ResultRules
from gateway.results.source_header import source_header
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.store.requeue import Requeue, Selection
from gateway.store.spool import Spool
from gateway.telemetry.audit import trail
from gateway.worker.encode import Encoder
from tests.support.answers import PNEUMONIA
from tests.support.answers import answer as given
from tests.support.couriers import run_couriers
from tests.support.database import database_in
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.mailbox import Mailbox, MailboxSettings, SettingsWithMailbox
from tests.support.site import browsing, site_in
from tests.support.sources import dx
from tests.support.text_answer import TextBuilder
from tests.support.worker import folders_in

RESULTS = (*shipped_results.KINDS, TextBuilder())
DESTINATIONS = {**shipped.KINDS, MailboxSettings: lambda mailbox, _: Mailbox(mailbox)}
LETTER = summary(PNEUMONIA).encode()


@dataclass(frozen=True)
class House:
    """One image's way through a gateway with both new ends."""

    settings: SettingsWithMailbox
    ledger: Ledger
    encoder: Encoder

    @property
    def mailbox(self) -> Path:
        return self.settings.data_dir / "mailbox"

    def answer(self) -> None:
        """Receive an image, encode its answer, register it."""
        self.ledger.record_received(received(self.settings.data_dir))
        (image,) = claim(self.ledger, "batch")
        answered = AnsweredImage(source_header(dx(SOPInstanceUID="1.2.1")), GREY, given(PNEUMONIA))
        for _ in range(2):  # the first attempt ended before it was registered
            results = self.encoder.keep(self.encoder.build(answered), image.calling_ae_title)
        record = replace(answer(self.settings.data_dir), results=results)
        assert record_answer(self.ledger, image, record)

    def deliver(self) -> None:
        """Let couriers deliver until the image is delivered."""
        stores = folders_in(self.settings.data_dir)
        couriers = couriers_of(self.settings, self.ledger, "worker", stores, DESTINATIONS)
        run_couriers(couriers, until=lambda: state(self.ledger) == (State.DELIVERED, None))

    def deliveries(self) -> list[tuple[str, str, str]]:
        (version,) = Images(self.ledger).versions("1.2.1")
        return sorted((each.destination, each.kind, each.state) for each in version.deliveries)

    def letters(self) -> list[Path]:
        return sorted(self.mailbox.glob("*.txt"))


GREY = GreyImage(np.full((60, 50), 30000, np.uint16), ())


def settings_in(folder: Path) -> SettingsWithMailbox:
    """Return settings as a file states them."""
    return SettingsWithMailbox.model_validate(
        {
            "data_dir": folder,
            "destinations": [
                {"name": "outbox", "kind": "folder", "path": folder / "outbox"},
                {"name": "mailbox", "kind": "mailbox", "path": folder / "mailbox"},
            ],
            "routes": [{"calling_ae_title": "*", "to": ["outbox", "mailbox"]}],
        }
    )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = settings_in(tmp_path)
    engine = database_in(tmp_path)
    router = route_of(settings, kinds=DESTINATIONS)
    encoder = Encoder(ResultRules(), Spool(tmp_path / "results"), router, RESULTS)
    trail.open_trail(settings)
    yield House(settings, Ledger(engine, tmp_path), encoder)
    trail.close_trail()
    engine.dispose()


def test_a_result_that_is_not_dicom_goes_to_the_destinations_that_accept_it(house: House) -> None:
    house.answer()
    house.deliver()
    assert house.deliveries() == [
        ("mailbox", "text", "stored"),
        ("outbox", "sc", "stored"),
        ("outbox", "sr", "stored"),
        ("outbox", "text", "stored"),
    ]
    (letter,) = house.letters()
    assert letter.read_bytes() == LETTER
    assert (house.mailbox / "visits").read_text().splitlines() == [letter.name]
    (kept,) = (house.settings.data_dir / "results").rglob("*.txt")
    (exported,) = (house.settings.data_dir / "outbox").rglob("*.txt")
    assert kept.name == exported.name == letter.name
    assert len(list((house.settings.data_dir / "outbox").rglob("*.dcm"))) == 2


def test_an_attempt_whose_end_is_unknown_leaves_one_letter(house: House) -> None:
    house.answer()
    outbox = Outbox(house.ledger)
    outbox.add_destination("mailbox")
    (lost,) = outbox.claim("mailbox", "a worker that is killed", 10)
    (_,) = open_destinations(house.settings, DESTINATIONS)["mailbox"].deliver([lost])
    outbox.release("a worker that is killed", interrupted=True)
    house.deliver()
    (letter,) = house.letters()
    assert (house.mailbox / "visits").read_text().splitlines() == [letter.name] * 2
    (version,) = Images(house.ledger).versions("1.2.1")
    told = [each for each in version.events if each.data.get("destination") == "mailbox"]
    assert [each.event for each in told] == ["delivered"]
    assert told[0].data["result_name"] == letter.name


def test_resend_sends_a_destination_what_it_accepts(house: House) -> None:
    house.answer()
    house.deliver()
    only = route_of(house.settings, only="mailbox", kinds=DESTINATIONS)
    assert Requeue(house.ledger).resend(Selection(("1.2.1",)), only).deliveries == 1
    house.deliver()
    assert len(house.letters()) == 1


def test_a_pacs_gets_no_text() -> None:
    settings = SettingsWithMailbox.model_validate(
        {
            "destinations": [
                {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": 104},
                {"name": "web", "kind": "stow", "url": "http://127.0.0.1/dicom-web"},
            ],
            "routes": [{"calling_ae_title": "*", "to": ["pacs", "web"]}],
        }
    )
    route = route_of(settings, kinds=DESTINATIONS)
    assert route("ANY", "sr", "application/dicom") == ("pacs", "web")
    assert route("ANY", "text", "text/plain") == ()


def test_the_audit_trail_names_the_patient_of_a_result_that_names_none(house: House) -> None:
    source = house.settings.data_dir / "spool" / "00" / f"{1:064x}.dcm"
    source.parent.mkdir(parents=True)
    dx(PatientID="P-4711", SOPInstanceUID="1.2.1").save_as(source, enforce_file_format=True)
    house.answer()
    house.deliver()
    written = b"".join(path.read_bytes() for path in (house.settings.data_dir / "audit").glob("*.log"))
    letters = [line for line in written.splitlines() if str(house.mailbox).encode() in line]
    assert len(letters) == 1
    assert b"UC00NzEx" in letters[0] or b"P-4711" in letters[0]


def test_the_report_offers_every_kind(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    settings = settings_in(tmp_path)
    router = route_of(settings, kinds=DESTINATIONS)
    encoder = Encoder(ResultRules(), Spool(tmp_path / "results"), router, RESULTS)
    House(settings, site.ledger, encoder).answer()
    with browsing(site) as browser:
        assert "/instances/1.2.1/download/text" in browser.get("/instances/1.2.1").text
        letter = browser.get("/instances/1.2.1/download/text")
    assert letter.content == LETTER
    assert letter.headers["content-type"].startswith("text/plain")
    assert letter.headers["content-disposition"].endswith('"1.2.1.text.txt"')
