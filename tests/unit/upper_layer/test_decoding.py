"""A-ASSOCIATE PDUs are read as PS3.8 says."""

from __future__ import annotations

import pytest

from gateway.upper_layer.decoding import (
    ASSUMED_MAXIMUM_LENGTH,
    LONGEST_PDU_SENT,
    is_title,
    request_of,
    titles_of,
)
from gateway.upper_layer.endings import Malformed
from tests.wire import pdus

GOOD = pdus.proposed_context(1, pdus.VERIFICATION, pdus.IMPLICIT_VR)


def body(encoded: bytes) -> memoryview:
    return memoryview(encoded)[6:]


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b"PACS", "PACS"),
        (b"  PACS", "PACS"),
        (b"PACS".ljust(16, b"\0"), "PACS"),
        (b"PACS\0  \0", "PACS"),
        (b"", ""),
        (bytes(16), ""),
    ],
)
def test_padding_of_titles_does_not_count(field: bytes, title: str) -> None:
    request = body(pdus.associate(pdus.ASSOCIATE_RQ, [GOOD], called=field, calling=field))
    assert titles_of(request).called == titles_of(request).calling == title
    assert is_title(title) is bool(title)


@pytest.mark.parametrize("field", [b"R\xf6NTGEN", b"PA\\CS", b"PA\x1bCS", b"PACS\0abcd"])
def test_other_bytes_of_titles_are_shown_as_escapes(field: bytes) -> None:
    shown = titles_of(body(pdus.associate(pdus.ASSOCIATE_RQ, [GOOD], calling=field))).calling
    assert "\\" in shown
    assert shown.isprintable()
    assert not is_title(shown)


@pytest.mark.parametrize(
    "extra",
    [
        {"extra": pdus.item(0x60, b"hello")},
        {"user": pdus.user_information(extra=pdus.item(0x99, b"\xff" * 300))},
        {"user": pdus.user_information(version_name=b"K\xd6LN" * 10)},
        {"user": pdus.user_information(version_name=b"OEM_1\0")},
        {"user": pdus.user_information(extra=pdus.item(0x54, b"\0\xff"))},  # a role that cannot be read
    ],
)
def test_what_is_not_recognised_is_skipped(extra: dict[str, bytes]) -> None:
    primitive = request_of(
        body(pdus.associate(pdus.ASSOCIATE_RQ, [GOOD], extra=extra.get("extra", b""), user=extra.get("user")))
    )
    (context,) = primitive.presentation_context_definition_list
    assert context.context_id == 1
    assert primitive.maximum_length_received == 16384


@pytest.mark.parametrize(
    ("stated", "used"),
    [(None, ASSUMED_MAXIMUM_LENGTH), (0, LONGEST_PDU_SENT), (7, 7), (0xFFFFFFFF, LONGEST_PDU_SENT)],
)
def test_the_maximum_length_is_always_usable(stated: int | None, used: int) -> None:
    user = pdus.user_information(maximum_length=stated)
    request = pdus.associate(pdus.ASSOCIATE_RQ, [GOOD], user=user)
    assert request_of(body(request)).maximum_length_received == used


UNDECODABLE = {
    "a maximum length of six": pdus.associate(1, [GOOD], user=pdus.user_information(maximum_length=6)),
    "an even context ID": pdus.associate(1, [pdus.proposed_context(2, pdus.VERIFICATION, b"1.2")]),
    "context ID 0": pdus.associate(1, [pdus.proposed_context(0, pdus.VERIFICATION, b"1.2")]),
    "two contexts under one ID": pdus.associate(1, [GOOD, GOOD]),
    "an item that claims too much": pdus.associate(1, [GOOD], extra=pdus.item(0x20, b"", length=60_000)),
    "half a header": pdus.associate(1, [GOOD], extra=b"\x20"),
    "too short": pdus.pdu(1, bytes(10)),
}


@pytest.mark.parametrize("encoded", UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_must_be_understood_and_cannot_be_is_malformed(encoded: bytes) -> None:
    with pytest.raises(Malformed, match="the peer"):
        request_of(body(encoded))


@pytest.mark.parametrize(
    "context", [pdus.proposed_context(3, b"1.2.840.10008.1.1"), pdus.item(0x20, b"\x03\0\0\0")]
)
def test_a_context_without_transfer_syntax_keeps_one_that_nobody_knows(context: bytes) -> None:
    request = request_of(body(pdus.associate(pdus.ASSOCIATE_RQ, [GOOD, context])))
    _, bare = request.presentation_context_definition_list
    assert len(bare.transfer_syntax) == 1
    assert not bare.transfer_syntax[0].is_transfer_syntax
