"""From the ledger to a receiver of HL7 messages, and back: what an image becomes, and what is sent twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.deliver.destinations import open_destinations
from gateway.deliver.routing import route_of
from gateway.processes.couriers import couriers_of
from gateway.records import State
from gateway.results.answer import Answer
from gateway.results.hl7 import MessageRules
from gateway.results.result import ResultRules
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.store.requeue import Requeue, Selection
from gateway.store.spool import Spool
from gateway.telemetry.audit import trail
from gateway.worker.encode import Encoder
from tests.support.answers import NORMAL
from tests.support.answers import answer as given
from tests.support.couriers import run_couriers
from tests.support.database import database_in
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.messages import answered
from tests.support.sources import dx
from tests.support.worker import folders_in
from tests.wire.mllp_server import MllpServer, hang_up, mllp_server, say

AA, AE, AR = say("AA"), say("AE", "locked"), say("AR", "no such order")


@dataclass(frozen=True)
class House:
    """The couriers of a gateway with a folder and a receiver of messages, without the rest of it."""

    settings: Settings
    ledger: Ledger
    encoder: Encoder

    def answer(self, given: Answer, uid: str = "1.2.1", *, again: bool = False) -> None:
        """Receive an image, or let it be answered again; encode and register its answer."""
        if again:
            Requeue(self.ledger).reprocess(uid)
        else:
            self.ledger.record_received(received(self.settings.data_dir, int(uid[-1])))
        (image,) = claim(self.ledger, f"batch {given.configuration[:2]} {uid}")
        built = self.encoder.build(answered(dx(SOPInstanceUID=uid), given))
        results = self.encoder.keep(built, image.calling_ae_title)
        record = replace(
            answer(self.settings.data_dir, digest=given.pixel_digest + uid),
            results=results,
            configuration=given.configuration,
        )
        assert record_answer(self.ledger, image, record)

    def deliver(self, until: Callable[[], object]) -> None:
        """Let couriers deliver until the condition holds."""
        stores = folders_in(self.settings.data_dir)
        run_couriers(couriers_of(self.settings, self.ledger, "worker", stores), until)

    def is_delivered(self) -> bool:
        return state(self.ledger) == (State.DELIVERED, None)

    def deliveries(self, uid: str = "1.2.1") -> list[tuple[str, str, str]]:
        return sorted(
            (each.destination, each.kind, each.state)
            for version in Images(self.ledger).versions(uid)
            for each in version.deliveries
        )


def house_with(folder: Path, port: int, *to: str) -> Iterator[House]:
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "results": {"hl7": {"receiving_application": "RIS"}},
            "destinations": [
                {"name": "outbox", "kind": "folder", "path": folder / "outbox"},
                {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": port, "timeout_seconds": 60},
            ],
            "routes": [{"calling_ae_title": "*", "to": to or ["outbox", "ris"]}],
            "delivery": {"first_retry_seconds": 0.05, "longest_retry_seconds": 0.05},
        }
    )
    engine = database_in(folder)
    rules = ResultRules(hl7=MessageRules(receiving_application="RIS"))
    encoder = Encoder(rules, Spool(folder / "results"), route_of(settings))
    trail.open_trail(settings)
    yield House(settings, Ledger(engine, folder), encoder)
    trail.close_trail()
    engine.dispose()


@pytest.fixture
def receiver() -> Iterator[MllpServer]:
    with mllp_server(AA) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, receiver: MllpServer) -> Iterator[House]:
    yield from house_with(tmp_path, receiver.port)


def test_the_receiver_gets_messages_alone_and_the_folder_everything(
    house: House, receiver: MllpServer
) -> None:
    house.answer(given())
    house.deliver(house.is_delivered)
    assert house.deliveries() == [
        ("outbox", "hl7", "stored"),
        ("outbox", "sc", "stored"),
        ("outbox", "sr", "stored"),
        ("ris", "hl7", "stored"),
    ]
    (kept,) = (house.settings.data_dir / "results").rglob("*.hl7")
    (exported,) = (house.settings.data_dir / "outbox").rglob("*.hl7")
    assert receiver.messages == [kept.read_bytes()] == [exported.read_bytes()]


def test_a_pacs_gets_no_message() -> None:
    settings = Settings.model_validate(
        {
            "results": {"hl7": {}},
            "destinations": [
                {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": 104},
                {"name": "web", "kind": "stow", "url": "http://127.0.0.1/dicom-web"},
                {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 2575},
            ],
            "routes": [{"calling_ae_title": "*", "to": ["pacs", "web", "ris"]}],
        }
    )
    route = route_of(settings)
    assert route("ANY", "hl7", "application/hl7-v2") == ("ris",)
    assert route("ANY", "sr", "application/dicom") == ("pacs", "web")


def test_an_attempt_whose_end_is_unknown_is_repeated_with_the_same_bytes(
    house: House, receiver: MllpServer
) -> None:
    """A worker is killed between the acknowledgement and its row."""
    house.answer(given())
    outbox = Outbox(house.ledger)
    outbox.add_destination("ris")
    (lost,) = outbox.claim("ris", "a worker that is killed", 10)
    (_,) = open_destinations(house.settings)["ris"].deliver([lost])
    outbox.release("a worker that is killed", interrupted=True)
    house.deliver(house.is_delivered)
    assert len(receiver.messages) == 2
    assert len(set(receiver.messages)) == 1


def test_resend_sends_the_same_message(house: House, receiver: MllpServer) -> None:
    house.answer(given())
    house.deliver(house.is_delivered)
    only = route_of(house.settings, only="ris")
    assert Requeue(house.ledger).resend(Selection(("1.2.1",)), only).deliveries == 1
    house.deliver(house.is_delivered)
    assert Counter(receiver.messages).most_common() == [(receiver.messages[0], 2)]


def test_a_lost_acknowledgement_is_asked_for_again(tmp_path: Path) -> None:
    with mllp_server(hang_up, AE, AA) as receiver:
        for house in house_with(tmp_path, receiver.port):
            house.answer(given())
            house.deliver(house.is_delivered)
            (version,) = Images(house.ledger).versions("1.2.1")
            errors = [each.data["error"] for each in version.events if "error" in each.data]
    assert len(receiver.messages) == 3
    assert len(set(receiver.messages)) == 1
    assert "closed the connection before it acknowledged" in errors[0]
    assert "AE locked" in errors[1]


def test_a_refused_message_is_a_dead_letter_and_holds_up_no_other_destination(tmp_path: Path) -> None:
    with mllp_server(AR) as receiver:
        for house in house_with(tmp_path, receiver.port):
            house.answer(given())
            house.deliver(lambda house=house: state(house.ledger)[0] == State.FAILED)
            assert ("ris", "hl7", "dead") in house.deliveries()
            assert ("outbox", "sr", "stored") in house.deliveries()


def test_an_answer_that_is_replaced_before_it_was_delivered_does_not_follow_its_successor(
    house: House, receiver: MllpServer
) -> None:
    first, second = given(), given(NORMAL, configuration="c1" * 32)
    house.answer(first)
    house.answer(second, again=True)
    house.deliver(house.is_delivered)
    assert [each for each in house.deliveries() if each[0] == "ris"] == [
        ("ris", "hl7", "dead"),
        ("ris", "hl7", "stored"),
    ]
    (message,) = receiver.messages
    assert b"^Absent^SCT" in message


def test_the_audit_trail_names_patient_and_receiver(house: House, receiver: MllpServer) -> None:
    source = house.settings.data_dir / "spool" / "00" / f"{1:064x}.dcm"
    source.parent.mkdir(parents=True)
    dx(PatientID="P-4711", SOPInstanceUID="1.2.1").save_as(source, enforce_file_format=True)
    house.answer(given())
    house.deliver(house.is_delivered)
    written = b"".join(path.read_bytes() for path in (house.settings.data_dir / "audit").glob("*.log"))
    sent = [line for line in written.splitlines() if f"127.0.0.1:{receiver.port}".encode() in line]
    assert len(sent) == 1
    assert b"UC00NzEx" in sent[0] or b"P-4711" in sent[0]


def test_no_log_line_of_a_delivery_names_the_patient(tmp_path: Path) -> None:
    """The receiver repeats the whole message in its refusal."""

    def echo(connection: object, message: bytes) -> None:
        text = message.decode().replace("\r", " ").replace("|", " ")
        say("AE", text)(connection, message)  # type: ignore[arg-type]

    with mllp_server(echo, AA) as receiver:
        for house in house_with(tmp_path, receiver.port, "ris"):
            house.answer(given())
            house.deliver(house.is_delivered)
            (version,) = Images(house.ledger).versions("1.2.1")
            (error,) = [each.data["error"] for each in version.events if "error" in each.data]
    assert "Example" not in error
    assert "P-0042" not in error
    assert "A-1001" not in error
