"""Delivery to PACSs that do what no library lets them do: a table of scripts, outcomes and words."""

# ruff: noqa: E501 - a row is a line
from __future__ import annotations

import struct
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from gateway.deliver.c_store import StorageSCU
from gateway.deliver.outcome import Outcome, Verdict
from gateway.settings import DicomDestination
from gateway.store.entries import PendingDelivery
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.pending import pending_object
from tests.support.sources import dx
from tests.wire import pdus
from tests.wire.acceptor import Acceptor, Link, Script, accepting, honest
from tests.wire.pacs_scripts import (
    CLASS_UID,
    MALFORMED,
    RSP,
    SLOW_BYTES,
    accepting_with,
    after_the_object,
    after_the_request,
    answer_bytes,
    answering,
    close,
    closes_instead_of_an_answer,
    closes_within_acceptance,
    context,
    drip,
    drips_acceptance,
    early,
    endless,
    in_the_middle,
    late_second_answer,
    never_released,
    one_byte_steps,
    raw,
    reads_slowly,
    release_collision,
    sends,
    split_over_100_pdus,
    stored_with,
    takes_the_rest,
    two_answers_at_once,
    with_user,
)

TIMEOUT_SECONDS = 6
LARGE_BYTES = SLOW_BYTES
SMALL_BUFFER = 4096

D, L, N, A = Verdict.DELIVERED, Verdict.LATER, Verdict.NEVER, Verdict.AWAY
L_OR_A = None  # by whether the end was noticed before the next object was begun


@dataclass(frozen=True)
class Row:
    """What a PACS does on its first connection, and what becomes of each object there."""

    name: str
    script: Script
    verdicts: list[Verdict | None]
    words: str = ""
    unsure: bool = False
    is_large: bool = False
    waits: bool = False
    """The sender is kept waiting, for a short patience; elsewhere a loaded machine may take its time."""

    @property
    def timeout_seconds(self) -> float:
        return TIMEOUT_SECONDS if self.waits else PATIENCE_SECONDS


CLOSED = "closed the connection before it answered: does it want TLS"
SILENT = f"no answer within {TIMEOUT_SECONDS} s"

ROWS = [
    # --- nobody, or somebody else
    Row("closes at once", close, [A], CLOSED),
    Row("closes after the request", after_the_request(close), [A], CLOSED),
    Row("resets after the request", after_the_request(Link.reset), [A], CLOSED),
    Row("says nothing", Link.rest, [A], f"no answer to the association request within {TIMEOUT_SECONDS} s", waits=True),
    Row("TLS alert", answering(raw(bytes.fromhex("15030100020246"))), [A], "speaks TLS"),
    Row("TLS alert, closes", sends(bytes.fromhex("15030300020228"), close), [A], "speaks TLS"),
    Row("HTTP", answering(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")), [A], "speaks HTTP"),
    Row("SSH", sends(b"SSH-2.0-OpenSSH_9.2\r\n"), [A], "speaks SSH"),
    Row("escape sequences", sends(b"\x1b[2J\x1b[31mred"), [A], "first bytes 1b 5b"),
    Row("PDU of type 99", sends(pdus.pdu(99, b"")), [A], "type 0x63"),
    Row("a request of its own", answering(raw(pdus.associate(pdus.ASSOCIATE_RQ, []))), [A], "A-ASSOCIATE-RQ"),
    # --- A-ASSOCIATE-RJ, A-ABORT
    Row("called title unknown", answering(raw(pdus.reject(1, 1, 7))), [A], "Called AE title not recognised"),
    Row("calling title unknown", answering(raw(pdus.reject(1, 1, 3))), [A], "Calling AE title not recognised"),
    Row("congestion", answering(raw(pdus.reject(2, 3, 1))), [A], "Temporary congestion"),
    Row("limit", answering(raw(pdus.reject(2, 3, 2))), [A], "Local limit exceeded"),
    Row("odd rejection", answering(raw(pdus.reject(77, 99, 0))), [A], "Source 99, reason 0"),
    Row("short rejection", answering(raw(pdus.pdu(3, b"\0"))), [A], "association rejected"),
    Row("aborts the request", answering(raw(pdus.abort())), [A], "aborted the association"),
    Row("aborts as provider", answering(raw(pdus.abort(2, 6))), [A], "invalid PDU parameter value"),
    Row("short abort", answering(raw(pdus.pdu(7, b""))), [A], "aborted the association"),
    Row("releases the request", answering(raw(pdus.release_rq())), [A], "A-RELEASE-RQ"),
    Row("answers with data", answering(raw(pdus.p_data(1, b"", command=True))), [A], "P-DATA-TF"),
    # --- A-ASSOCIATE-AC that is to be understood
    Row("honest", honest, [D, D]),
    Row("one byte at a time", one_byte_steps, [D]),
    Row("another title", accepting_with(called=b"ELSE", calling=b"\xff\0WHO"), [D]),
    Row("user item 99H", accepting_with(user=pdus.user_information(extra=pdus.item(0x99, b"abc"))), [D]),
    Row("item 60H", accepting_with(extra=pdus.item(0x60, b"abc")), [D]),
    Row("long version name", accepting_with(user=pdus.user_information(version_name=b"V" * 17)), [D]),
    Row("version name with NUL", accepting_with(user=pdus.user_information(version_name=b"OEM_1\0")), [D]),
    Row("version name not ASCII", accepting_with(user=pdus.user_information(version_name=b"K\xd6LN")), [D]),
    Row("no user information", accepting_with(**with_user()), [D]),
    Row("no maximum length", accepting_with(**with_user(CLASS_UID)), [D]),
    Row("maximum length of 3 bytes", accepting_with(**with_user(pdus.item(0x51, b"\0\x40\0"))), [D]),
    Row("UIDs with NUL", accepting_with(contexts=context(0, pdus.EXPLICIT_VR + b"\0")), [D]),
    Row("implicit VR only", accepting_with(contexts=context(0, pdus.IMPLICIT_VR)), [D]),
    *(Row(f"maximum length {n}", accepting_with(maximum_length=n), [D]) for n in (0, 7, 8, 9, 4097, 2**32 - 1)),
    *(
        Row(f"maximum length {n}", accepting_with(maximum_length=n), [A], f"at most {n} bytes")
        for n in range(1, 7)
    ),
    # --- A-ASSOCIATE-AC that is not
    Row("items that do not fit", answering(raw(MALFORMED)), [A], "within an item"),
    Row("short AC", answering(raw(pdus.pdu(2, b"\0\1"))), [A], "accepts none", waits=True),
    Row("AC of claimed 4 GiB", answering(raw(pdus.pdu(2, b"", 2**32 - 1))), [A], "PDU of 4294967295 bytes"),
    Row("9 bytes of an AC", answering(lambda link: link.acceptance()[:9]), [A], "no answer to the association", waits=True),
    Row("a byte of an AC a while", after_the_request(drips_acceptance), [A], "no answer to the association", waits=True),
    Row("closes within the AC", after_the_request(closes_within_acceptance), [A], CLOSED),
    Row("two ACs", answering(lambda link: link.acceptance() * 2), [A], "A-ASSOCIATE-AC within an association"),
    # --- presentation contexts
    Row("user rejection", accepting_with(contexts=context(1, pdus.EXPLICIT_VR)), [A], "user rejection"),
    Row("no reason", accepting_with(contexts=context(2)), [A], "no reason given"),
    Row("abstract syntax", accepting_with(contexts=context(3)), [N], "abstract syntax not supported"),
    Row("transfer syntaxes", accepting_with(contexts=context(4, b"")), [N], "transfer syntaxes not supported"),
    Row("result 77", accepting_with(contexts=context(77)), [A], "result 77"),
    Row("no syntax item", accepting_with(contexts=context(0)), [A], "without a transfer syntax"),
    Row("empty syntax", accepting_with(contexts=context(0, b"")), [A], "without a transfer syntax"),
    Row("a syntax of its own", accepting_with(contexts=context(0, b"1.2.3.4")), [A], "1.2.3.4, which was not"),
    Row("another ID", accepting_with(contexts=lambda n: context(0, pdus.EXPLICIT_VR)(n + 2)), [A], "not answered"),
    Row("an ID more", accepting_with(extra=context(0, pdus.EXPLICIT_VR)(77)), [D]),
    Row("no context", accepting_with(contexts=lambda _: b""), [A], "not answered"),
    Row("context of two bytes", accepting_with(contexts=lambda _: pdus.item(0x21, b"\1\0")), [A], "without result"),
    # --- while it is sent
    Row("stops reading", in_the_middle(Link.rest), [L, A], "does not take the data", is_large=True, waits=True),
    Row("reads slowly", reads_slowly, [D], is_large=True, waits=True),
    Row("closes in the middle", in_the_middle(close), [L, A], "ended early", is_large=True),
    Row("resets in the middle", in_the_middle(Link.reset), [L, A], "ended early", is_large=True),
    Row("aborts in the middle", in_the_middle(sends(pdus.abort(), close)), [L, A], "aborted", is_large=True),
    Row("aborts, reads no more", in_the_middle(sends(pdus.abort(), Link.rest)), [L, A], "aborted", is_large=True, waits=True),
    Row("releases in the middle", in_the_middle(sends(pdus.release_rq())), [L, A], "released it", is_large=True),
    Row("refuses early, reads on", early(0xA700, takes_the_rest), [L, D], "0xA700", is_large=True),
    Row("refuses early, closes", early(0xA700, close), [L, A], "0xA700", is_large=True),
    Row("refuses early, stops", early(0xC001, Link.rest), [N, A], "0xC001", is_large=True, waits=True),
    Row("thanks early", early(0x0000, takes_the_rest), [L, A], "before it had the object", True, is_large=True),
    # --- instead of an answer
    Row("never answers", after_the_object(lambda link, _: link.rest()), [L, A], SILENT, True, waits=True),
    Row("closes", closes_instead_of_an_answer, [L, A], "ended early", True),
    Row("resets", after_the_object(lambda link, _: link.reset()), [L, A], "ended early", True),
    Row("aborts", answer_bytes(pdus.abort()), [L, A], "aborted the association", True),
    Row("releases", answer_bytes(pdus.release_rq()), [L, A], "released it", True),
    Row("20 bytes of an answer", after_the_object(lambda k, data: k.send(data[:20])), [L, A], SILENT, True, waits=True),
    Row("a byte of an answer a while", after_the_object(drip(bytes(range(4, 5)) + bytes(3))), [L, A], SILENT, True, waits=True),
    Row("claims 4 GiB", answer_bytes(pdus.pdu(4, b"", 2**32 - 1)), [L, A], "PDU of 4294967295 bytes", True),
    Row("PDV too long", answer_bytes(pdus.pdu(4, struct.pack(">IBB", 500, 1, 3))), [L, A], "claims 500", True),
    Row("PDV of length 0", answer_bytes(pdus.pdu(4, bytes(6))), [L, A], "claims 0 bytes", True),
    Row("PDV cut", answer_bytes(pdus.pdu(4, bytes(3))), [L, A], "ends within a presentation", True),
    Row("data instead of a command", answer_bytes(pdus.p_data(1, b"", command=False)), [L, A], "disorder", True),
    Row("10 MB of command set", after_the_object(endless(bytes(16000))), [L, A], "larger than any", True),
    Row("empty fragments for ever", after_the_object(endless(b"")), [L, A], "larger than any", True),
    Row("garbage", answer_bytes(pdus.p_data(1, b"\xff" * 50, command=True)), [L, A], "command set", True),
    Row("another AC", answer_bytes(pdus.associate(2, [])), [L, A], "A-ASSOCIATE-AC", True),
    Row("unasked release reply", answer_bytes(pdus.release_rp()), [L, A], "A-RELEASE-RP", True),
    # --- answers
    Row("split over 100 PDUs", after_the_object(split_over_100_pdus), [D]),
    Row("no UIDs in it", stored_with(0x0000, sop_instance_uid=None), [D]),
    Row("another Message ID", stored_with(0x0000, message_id=7), [L, A], "Message ID 7, not 1", True),
    Row("another instance", stored_with(0x0000, sop_instance_uid="1.2.3"), [L, A], "1.2.3", True),
    Row("C-ECHO-RSP", stored_with(0x0000, command=pdus.C_ECHO_RSP), [L, A], "0x8030, not 0x8001", True),
    Row("C-STORE-RQ", stored_with(0x0000, command=pdus.C_STORE_RQ), [L, A], "0x0001, not 0x8001", True),
    Row("another context", stored_with(0x0000, context_id=9), [L, A], "presentation context 9", True),
    Row(
        "no status",
        answer_bytes(pdus.p_data(1, pdus.command_set(
            pdus.element(0x00000100, pdus.us(RSP)), pdus.element(0x00000120, pdus.us(1)),
            pdus.element(0x00000800, pdus.us(pdus.NO_DATA_SET))), command=True)),
        [L, A], "without a status", True,
    ),
    Row("no command field", answer_bytes(pdus.p_data(1, pdus.command_set(), command=True)), [L, A], "absent", True),
    Row("the first once more", late_second_answer, [D, L], "Message ID 1, not 2", True),
    Row("the first twice at once", two_answers_at_once, [D, L_OR_A], "peer"),
    Row("a warning", stored_with(0xB000), [D, D]),
    Row("duplicate", stored_with(0x0111), [D, D]),
    Row("out of resources", stored_with(0xA700, comment=b"disk\x1b[2J full"), [L, D], r"disk\x1b[2J full"),
    Row("refused for good", stored_with(0xA900), [N, D], "0xA900"),
    Row("comment with NUL", stored_with(0xC000, comment=b"bad\0\0 \n"), [N, D], "0xC000 bad"),
    Row("unknown status", stored_with(0x1234), [L, D], "0x1234"),
    # --- ends
    Row("closes after each object", stored_with(0x0000, then=close), [D, L_OR_A], "ended early"),
    Row("aborts after each object", stored_with(0x0000, then=sends(pdus.abort())), [D, L_OR_A], "aborted"),
    Row("releases after each object", stored_with(0x0000, then=sends(pdus.release_rq())), [D, L_OR_A], "released it"),
    Row("resets after each object", stored_with(0x0000, then=Link.reset), [D, L_OR_A], "ended early"),
    Row("never answers the release", never_released, [D]),
    Row("releases at the same time", release_collision, [D]),
]  # fmt: skip


# --- the run


@dataclass(frozen=True)
class Run:
    """A row's first connection, and what the honest PACS on the same port then took."""

    first: list[Outcome]
    second: list[Outcome]
    stored: list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, list[PendingDelivery]]:
    """Two small objects, and two of which the first is large."""
    folder = tmp_path_factory.mktemp("objects")
    large = dx(DataSetTrailingPadding=bytes(LARGE_BYTES))
    made = [pending_object(folder, number, image) for number, image in enumerate([dx(), dx(), large])]
    return {False: made[:2], True: [made[2], made[1]]}


def carry_out(row: Row, pending: list[PendingDelivery]) -> Run:
    sent = pending[: len(row.verdicts)]
    with accepting([row.script], SMALL_BUFFER if row.is_large else None) as acceptor:
        first = deliver(acceptor, sent, row.timeout_seconds)
        before = len(acceptor.stored)
        second = deliver(acceptor, sent, PATIENCE_SECONDS)
    return Run(first, second, acceptor.stored[before:])


def deliver(acceptor: Acceptor, pending: list[PendingDelivery], timeout_seconds: float) -> list[Outcome]:
    destination = DicomDestination(
        name="pacs", kind="dicom", ae_title="PACS", host="127.0.0.1", port=acceptor.port,
        timeout_seconds=timeout_seconds,
    )  # fmt: skip
    outcomes = StorageSCU(destination, "CXR_GATEWAY").deliver(pending)
    return sorted(outcomes, key=lambda outcome: pending.index(outcome.delivery))


@pytest.fixture(scope="module")
def runs(objects: dict[bool, list[PendingDelivery]]) -> Iterator[dict[str, Future[Run]]]:
    """All rows, side by side: most of them wait."""
    with ThreadPoolExecutor(24) as threads:
        slow_first = sorted(ROWS, key=lambda row: not row.is_large)
        yield {row.name: threads.submit(carry_out, row, objects[row.is_large]) for row in slow_first}


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 50


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_pacs_that(
    row: Row, runs: dict[str, Future[Run]], objects: dict[bool, list[PendingDelivery]]
) -> None:
    run = runs[row.name].result()
    for outcome, verdict in zip(run.first, row.verdicts, strict=True):
        assert outcome.verdict in ([L, A] if verdict is L_OR_A else [verdict]), outcome
    failed = [outcome for outcome in run.first if outcome.verdict is not D]
    if failed:
        assert row.words in str(failed[0].error)
        assert failed[0].unsure is row.unsure or L_OR_A in row.verdicts
    sent = objects[row.is_large][: len(row.verdicts)]
    assert {outcome.verdict for outcome in run.second} == {D}, run.second
    assert [uid for uid, _ in run.stored] == [delivery.sop_instance_uid for delivery in sent]
    for delivery, (_, data) in zip(sent, run.stored, strict=True):
        assert delivery.path.read_bytes().endswith(data)
