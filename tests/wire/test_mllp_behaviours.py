"""HL7 over MLLP against a receiver made of bytes: what each behaviour makes of a message, in which words.

Behaviours without an end are given a short patience; that a row returns at all is its deadline.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.hl7 import MessageReceiver
from gateway.deliver.outcome import Outcome, Verdict
from gateway.settings import HL7Destination
from gateway.store.entries import PendingDelivery
from tests.support.messages import delivery_of, message
from tests.support.sources import dx
from tests.wire.mllp_server import (
    MllpServer,
    Script,
    ack,
    drip,
    flood,
    framed,
    hang_up,
    mllp_server,
    say,
    silence,
    write,
)

DELIVERED, LATER, NEVER, AWAY = Verdict.DELIVERED, Verdict.LATER, Verdict.NEVER, Verdict.AWAY
SHORT, PATIENT = 0.3, 60.0
SLOW = "no whole acknowledgement within 0.3 s"
AA = say("AA")


@dataclass(frozen=True)
class Row:
    """A behaviour, and what the message's outcome must be."""

    name: str
    script: Script
    verdict: Verdict
    words: str = ""
    deadline: float = PATIENT
    unsure: bool = False
    endless: bool = False
    on_error: str = "later"


def accepted(message_id: str) -> bytes:
    return framed(ack("AA", message_id))


def bytewise(message_id: str) -> list[bytes]:
    return [bytes([each]) for each in accepted(message_id)]


ACCEPTED = [
    Row("AA", AA, DELIVERED),
    Row("CA", say("CA"), DELIVERED),
    Row("in lower case", say("aa"), DELIVERED),
    Row("LF ends segments", say("AA", end="\n"), DELIVERED),
    Row("CR LF ends segments", say("AA", end="\r\n"), DELIVERED),
    Row("byte by byte", write(bytewise), DELIVERED),
    Row("split within MSA", write(lambda i: [accepted(i)[:-12], accepted(i)[-12:]]), DELIVERED),
    Row("no CR behind the frame", write(lambda i: [accepted(i)[:-1]]), DELIVERED),
    Row("garbage ahead", write(lambda i: [b"\r\n220 ready\r\n" + accepted(i)]), DELIVERED),
    Row("a frame without an end ahead", write(lambda i: [b"\x0bMSH|" + accepted(i)]), DELIVERED),
    Row("two at once", write(lambda i: [accepted(i) * 2]), DELIVERED),
    Row("hangs up behind it", write(lambda i: [accepted(i)], hang_up=True), DELIVERED),
    Row("a commit ahead (Release 2)", write(lambda i: [framed(b"\x06"), accepted(i)]), DELIVERED),
    Row("a commit ahead, at once", write(lambda i: [framed(b"\x06") + accepted(i)]), DELIVERED),
    Row("a byte order mark", write(lambda i: [framed("\ufeff".encode() + ack("AA", i))]), DELIVERED),
    Row("other separators", write(lambda i: [framed(ack("AA", i).replace(b"|", b"#"))]), DELIVERED),
]  # fmt: skip

REFUSED = [
    Row("AR", say("AR", "unknown message"), NEVER, "AR unknown message"),
    Row("CR", say("CR"), NEVER, "answers CR"),
    Row("AR, locked", say("AR", "", "ERR||PID^1^3|206^Record locked^HL70357|E"), LATER, "206 Record locked"),
    Row("CR, broken", say("CR", "", "ERR||PID^1|207^Internal error^HL70357|E"), LATER, "207 Internal error"),
    Row("AR, broken, by version 2.3", say("AR", "", "ERR|MSH^1^1^207&Internal error"), LATER, "answers AR"),
    Row("AR, a fault at the 207th observation", say("AR", "", "ERR|OBX^207^5^102"), NEVER, "answers AR"),
    Row("AR, another version", say("AR", "", "ERR||MSH^1^12|203^Version^HL70357|E"), NEVER, "203 Version"),
    Row("AE", say("AE", "database locked"), LATER, "AE database locked"),
    Row("CE", say("CE"), LATER, "answers CE"),
    Row("AE, for good", say("AE"), NEVER, "answers AE", on_error="never"),
    Row("CE, for good", say("CE"), NEVER, "answers CE", on_error="never"),
    Row("an error segment", say("AE", "", "ERR||PID^1^3|204^Unknown key^HL70357|E||||not known"), LATER,
        "not known; 204 Unknown key HL70357"),
    Row("control characters", say("AR", "\x1b[31mn\0o"), NEVER, r"\x1b[31mn\x00o"),
    Row("a text without end", say("AR", "x" * 50_000), NEVER, "x…"),
    Row("a code that there is not", say("OK"), LATER, "table 0008 does not have", unsure=True),
]  # fmt: skip

UNANSWERED = [
    Row("another message", say("AA", message_id="4711"), LATER, "another message, '4711'", unsure=True),
    Row("no message", say("AA", message_id=""), LATER, "another message, ''", unsure=True),
    Row("the ID in lower case", write(lambda i: [accepted(i.lower() + " ")]), LATER, "another", unsure=True),
    Row("a refusal of another", say("AR", message_id="4711"), LATER, "another message", unsure=True),
    Row("another before the right one", write(lambda i: [accepted("1") + accepted(i)]), LATER, "another",
        unsure=True),
    Row("no MSA", write(lambda _: [framed(b"MSH|^~\\&|RIS\r")]), LATER, "no MSA", unsure=True),
    Row("no HL7", write(lambda _: [framed(b"<html>")]), LATER, "begin with MSH", unsure=True),
    Row("an empty frame", write(lambda _: [framed(b"")]), LATER, "begin with MSH", unsure=True),
    Row("hangs up", hang_up, LATER, "closed the connection before", unsure=True),
    Row("hangs up within", write(lambda i: [accepted(i)[:20]], hang_up=True), LATER, "closed", unsure=True),
]  # fmt: skip

ENDLESS = [
    Row("says nothing", silence(), LATER, SLOW, SHORT, unsure=True, endless=True),
    Row("a commit alone", silence(framed(b"\x06")), LATER, SLOW, SHORT, unsure=True, endless=True),
    Row("commits for ever", drip(framed(b"\x06")), LATER, SLOW, SHORT, unsure=True, endless=True),
    Row("half an answer", silence(b"\x0bMSH|^~"), LATER, SLOW, SHORT, unsure=True, endless=True),
    Row("an answer without frame", silence(ack("AA", "1")), LATER, SLOW, SHORT, unsure=True, endless=True),
    Row("drips an answer", drip(b"x"), LATER, SLOW, SHORT, unsure=True, endless=True),
    Row("floods", flood(b"\x0b" + b"x" * 9999), LATER, "more than 64 kB", unsure=True, endless=True),
    Row("floods without a frame", flood(b"x" * 9999), LATER, "more than 64 kB", unsure=True, endless=True),
]  # fmt: skip

ROWS = ACCEPTED + REFUSED + UNANSWERED + ENDLESS


def destination(port: int, **changes: Any) -> HL7Destination:
    fields: dict[str, Any] = {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": port}
    return HL7Destination(**fields | changes)


def deliver(server: MllpServer, deliveries: list[PendingDelivery], **changes: Any) -> list[Outcome]:
    return list(MessageReceiver(destination(server.port, **changes)).deliver(deliveries))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[PendingDelivery]:
    """Three messages that wait for delivery."""
    folder = tmp_path_factory.mktemp("results")
    return [delivery_of(message(dx(SOPInstanceUID=f"1.2.{n}")), folder, n) for n in (1, 2, 3)]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_receiver_that(row: Row, three: list[PendingDelivery]) -> None:
    with mllp_server(row.script) as server:
        (outcome,) = deliver(server, three[:1], timeout_seconds=row.deadline, on_error=row.on_error)
        assert (outcome.verdict, row.words in (outcome.error or "")) == (row.verdict, True), outcome.error
        assert outcome.unsure == row.unsure
        assert outcome.error is None or (outcome.error.isprintable() and len(outcome.error) <= 1000)
        assert not row.endless or server.left.acquire(timeout=60)
        assert server.messages == [three[0].path.read_bytes()]


def test_messages_go_one_after_the_other_over_one_connection(three: list[PendingDelivery]) -> None:
    with mllp_server(AA) as server:
        outcomes = deliver(server, three)
    assert [each.verdict for each in outcomes] == [DELIVERED] * 3
    assert server.connections == [1, 1, 1]
    assert server.messages == [each.path.read_bytes() for each in three]


@pytest.mark.parametrize(
    "odd",
    [
        write(lambda i: [accepted(i) * 2]),
        write(lambda i: [accepted(i) + framed(ack("AR", "4711"))]),
        write(lambda i: [accepted(i)], hang_up=True),
    ],
    ids=["two answers", "another's answer behind it", "closed"],
)
def test_an_answer_is_never_taken_for_that_to_the_next_message(
    odd: Script, three: list[PendingDelivery]
) -> None:
    with mllp_server(odd, AA) as server:
        outcomes = deliver(server, three)
    assert [each.verdict for each in outcomes] == [DELIVERED] * 3
    assert server.connections == [1, 2, 2]


def test_a_late_answer_is_not_that_to_the_next_message(three: list[PendingDelivery]) -> None:
    """The first answer comes in time, and once more while the second message is on its way."""
    first: list[str] = []

    def twice(connection: Any, sent: bytes) -> None:
        if not first:
            first.append(sent.split(b"|")[9].decode())
            connection.sendall(accepted(first[0]))
        else:
            connection.sendall(accepted(first[0]))

    with mllp_server(twice) as server:
        outcomes = deliver(server, three)
    assert [each.verdict for each in outcomes] == [DELIVERED, LATER, AWAY]
    assert "another message" in (outcomes[1].error or "")


def test_a_refused_message_holds_up_no_other(three: list[PendingDelivery]) -> None:
    with mllp_server(say("AE"), say("AR"), AA) as server:
        outcomes = deliver(server, three)
    assert [each.verdict for each in outcomes] == [LATER, NEVER, DELIVERED]
    assert server.connections == [1, 1, 1]


def test_silence_ends_the_round(three: list[PendingDelivery]) -> None:
    with mllp_server(silence()) as server:
        outcomes = deliver(server, three, timeout_seconds=SHORT)
        assert server.left.acquire(timeout=PATIENT)
    assert [each.verdict for each in outcomes] == [LATER, AWAY, AWAY]
    assert len(server.messages) == 1


def test_an_attempt_is_repeated_with_the_same_bytes(three: list[PendingDelivery]) -> None:
    with mllp_server(hang_up, AA) as server:
        (lost,) = deliver(server, three[:1])
        (again,) = deliver(server, [replace(three[0], unsure=lost.unsure)])
    assert (lost.verdict, again.verdict) == (LATER, DELIVERED)
    assert server.messages[0] == server.messages[1]
    assert server.connections == [1, 2]


def test_nobody_there_is_away(three: list[PendingDelivery]) -> None:
    with mllp_server(AA) as server:
        pass
    assert [each.verdict for each in deliver(server, three)] == [AWAY] * 3


def test_what_a_receiver_repeats_of_the_patient_is_not_kept(tmp_path: Path) -> None:
    source = dx(PatientID="Q-77", PatientName="Löwe^Ada", PatientBirthDate="19570312", AccessionNumber="ACC9")
    (pending,) = [delivery_of(message(source), tmp_path)]
    told = "patient Q-77, LÖWE Ada (1957-03-12 or 19570312), order ACC9: not known"
    with mllp_server(say("AR", told)) as server:
        (outcome,) = deliver(server, [pending])
    assert outcome.error is not None
    assert outcome.error.endswith("AR patient […], […] […] ([…] or […]), order […]: not known")


def test_a_message_without_a_patient_id_is_not_sent(tmp_path: Path) -> None:
    (pending,) = [delivery_of(message(dx(PatientID=None)), tmp_path)]
    with mllp_server(AA) as server:
        (outcome,) = deliver(server, [pending])
    assert (outcome.verdict, server.messages) == (NEVER, [])
    assert "no Patient ID" in (outcome.error or "")


def test_a_superseded_message_does_not_follow_its_successor(three: list[PendingDelivery]) -> None:
    first, second, _ = three
    with mllp_server(AA) as server:
        outcomes = deliver(server, [replace(first, is_superseded=True), second])
    assert [each.verdict for each in outcomes] == [NEVER, DELIVERED]
    assert server.messages == [second.path.read_bytes()]


@pytest.mark.parametrize("content", [b"", b"DICM", b"\xff\xfe"], ids=["empty", "no HL7", "no text"])
def test_a_file_that_is_no_message_is_not_sent(content: bytes, tmp_path: Path) -> None:
    pending = delivery_of(message(), tmp_path)
    pending.path.write_bytes(content)
    with mllp_server(AA) as server:
        (outcome,) = deliver(server, [pending])
    assert (outcome.verdict, server.messages) == (NEVER, [])


def test_a_file_that_cannot_be_read_is_for_later(three: list[PendingDelivery], tmp_path: Path) -> None:
    gone = replace(three[0], path=tmp_path / "gone.hl7")
    with mllp_server(AA) as server:
        outcomes = deliver(server, [gone, three[1]])
    assert [each.verdict for each in outcomes] == [LATER, DELIVERED]
