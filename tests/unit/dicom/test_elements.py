"""The walk through encoded data sets: what is counted, what is refused, what is said."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.dicom import elements
from gateway.dicom.elements import MAX_OUTERMOST
from gateway.dicom.statuses import Refuse, Status
from gateway.receive.data_set import read_header
from tests.support.receiving import data_set_of
from tests.support.sources import dx, encoded

UNDEFINED = b"\xff\xff\xff\xff"
ITEM, END_OF_ITEM, END_OF_SEQUENCE = b"\xfe\xff\0\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
SOURCE = data_set_of(encoded(dx(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2.4")))
MANY = 3000
HALF = MANY // 2 + 1


def length(value: bytes) -> bytes:
    return len(value).to_bytes(4, "little")


def sequence(content: bytes, tag: bytes = b"\x08\0\x32\x10", *, vr: bytes = b"SQ", defined: bool) -> bytes:
    """Return an element, a Procedure Code Sequence unless told otherwise."""
    head = tag + (vr + b"\0\0" if vr else b"")
    return head + (length(content) + content if defined else UNDEFINED + content + END_OF_SEQUENCE + bytes(4))


def item(content: bytes = b"", *, defined: bool = True) -> bytes:
    if defined:
        return ITEM + length(content) + content
    return ITEM + UNDEFINED + content + END_OF_ITEM + bytes(4)


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def refusal(data: bytes, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> Refuse:
    with pytest.raises(Refuse) as refused:
        read_header(memoryview(data), transfer_syntax_uid)
    return refused.value


PRIVATE = b"\x09\0\x01\x10"
EMPTY_ELEMENTS = b"\x08\0\0\x01SH\0\0" * HALF
BOMBS: dict[str, Callable[[], bytes]] = {
    "empty items in a sequence of undefined length": lambda: sequence(item() * MANY, defined=False),
    "empty items in a sequence of defined length": lambda: sequence(item() * MANY, defined=True),
    "empty items, each with a delimiter": lambda: sequence(item(defined=False) * MANY, defined=False),
    "a private sequence": lambda: sequence(item() * MANY, PRIVATE, defined=False),
    "content of unknown VR": lambda: sequence(item() * MANY, PRIVATE, vr=b"UN", defined=False),
    "a known sequence of unknown VR": lambda: sequence(item() * MANY, vr=b"UN", defined=True),
    "an item full of elements": lambda: sequence(item(EMPTY_ELEMENTS * 2), defined=True),
    "two sequences that only together are too many": lambda: (
        sequence(item() * HALF, defined=True) + sequence(item() * HALF, defined=False)
    ),
    "a sequence that cannot be walked": lambda: sequence(b"\xee" * 9 * MANY, defined=True),
    "a sequence within an item that cannot be walked": lambda: sequence(
        item(sequence(b"\xee" * 9 * MANY, defined=True)), defined=False
    ),
    "fragments": lambda: sequence(item() * MANY, b"\xe0\x7f\x10\0", vr=b"OB", defined=False),
    "elements after the pixels": lambda: SOURCE + sequence(item() * MANY, defined=False),
    "zeros after the pixels": lambda: SOURCE + bytes(8 * MANY),
    "small elements": lambda: b"".join(
        (9 + 2 * block).to_bytes(2, "little") + number.to_bytes(2, "little") + b"SH\0\0"
        for block in range(3)
        for number in range(MANY)
    ),
    "the same element again and again": lambda: EMPTY_ELEMENTS * 2,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_elements_and_items_are_counted_wherever_they_hide(
    bomb: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "MAX_ELEMENTS", MANY)
    assert refusal(bomb()).status is Status.TOO_MANY_ELEMENTS
    assert refusal(deflated(bomb()), DeflatedExplicitVRLittleEndian).status is Status.TOO_MANY_ELEMENTS


def test_elements_beside_each_other_are_fewer() -> None:
    data = b"\x08\0\0\x01SH\0\0" * (MAX_OUTERMOST + 1)
    assert refusal(data).reason == f"more than {MAX_OUTERMOST} elements beside each other"


def test_items_are_counted_in_implicit_vr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MAX_ELEMENTS", MANY)
    for defined in (True, False):
        bomb = sequence(item() * MANY, vr=b"", defined=defined)
        assert refusal(bomb, ImplicitVRLittleEndian).status is Status.TOO_MANY_ELEMENTS


def nested(depth: int, *, defined: bool) -> bytes:
    content = b""
    for _ in range(depth):
        content = sequence(item(content, defined=defined), defined=defined)
    return content


def test_sequences_nested_too_deep_are_refused_where_only_a_walk_finds_their_end() -> None:
    assert refusal(nested(100, defined=False)).status is Status.NESTED_TOO_DEEP
    for within in (nested(100, defined=True), sequence(item(nested(100, defined=False)), defined=True)):
        assert read_header(memoryview(within + SOURCE), ExplicitVRLittleEndian).sop_instance_uid == "1.2.3"


TOLERABLE = {
    "a damaged sequence of defined length": sequence(b"\xee" * 4000, defined=True),
    "an item that is longer than its sequence": sequence(ITEM + (9999).to_bytes(4, "little"), defined=True),
    "a delimiter though the length is known": sequence(
        item() + END_OF_SEQUENCE + bytes(4) + b"\xee" * 80, defined=True
    ),
    "an item that is delimited though its length is known": sequence(
        item(END_OF_ITEM + bytes(4) + b"\xee" * 80), defined=False
    ),
    "a private value that begins like an item": b"\x09\0\x01\x10UN\0\0"
    + length(item(b"\xee" * 9))
    + item(b"\xee" * 9),
}


@pytest.mark.parametrize("element", TOLERABLE.values(), ids=TOLERABLE)
def test_damage_whose_end_is_known_is_let_pass(element: bytes) -> None:
    assert read_header(memoryview(element + SOURCE), ExplicitVRLittleEndian).sop_instance_uid == "1.2.3"


@pytest.mark.parametrize("tail", [bytes(8), bytes(1000), b"\xee" * 77, b"\xfc\xff\xfc\xffOB\0\0\xff\0\0\0"])
def test_what_follows_the_pixels_need_not_be_whole(tail: bytes) -> None:
    assert read_header(memoryview(SOURCE + tail), ExplicitVRLittleEndian).sop_instance_uid == "1.2.3"


PIXELS = b"\xe0\x7f\x10\0OB\0\0" + UNDEFINED + item() + item(b"\1" * 64)


@pytest.mark.parametrize("tail", [b"", bytes(8), bytes(3), b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0", PIXELS])
@pytest.mark.parametrize(
    "sequence_of", [PIXELS, sequence(item(), defined=False)[:-8]], ids=["pixels", "codes"]
)
def test_a_missing_sequence_delimitation_item_is_named(tail: bytes, sequence_of: bytes) -> None:
    told = refusal(sequence_of + tail)
    if tail == bytes(3):
        assert told.status in (Status.TRUNCATED, Status.PIXELS_TRUNCATED)
        return
    tag = "(7FE0,0010)" if sequence_of == PIXELS else "(0008,1032)"
    assert told.reason == f"the Sequence Delimitation Item of {tag} is missing"


@pytest.mark.parametrize("group", [0, 1, 2])
@pytest.mark.parametrize("vr", [b"UI\4\0", b"\4\0\0\0"], ids=["explicit", "implicit"])
def test_elements_of_command_and_file_are_refused_in_a_data_set(group: int, vr: bytes) -> None:
    syntax = ExplicitVRLittleEndian if vr.startswith(b"UI") else ImplicitVRLittleEndian
    source = SOURCE if vr.startswith(b"UI") else data_set_of(encoded(dx(), ImplicitVRLittleEndian))
    element = group.to_bytes(2, "little") + b"\x10\0" + vr + b"1.2\0"
    assert refusal(element + source, syntax).status is Status.NOT_PARSABLE
    assert refusal(element + source, syntax).reason == f"({group:04X},0010) does not belong here"


UIDS = {"1.2..3": False, ".1.2": False, "1.2.": False, "..": False, "1.2.3\\1.2.4": False, "1" * 65: False}
UIDS |= {"1.02.003": True, "0.1": True, "1" * 64: True}


@pytest.mark.parametrize(("uid", "accepted"), UIDS.items())
def test_one_rule_for_every_uid_that_results_refer_to(uid: str, accepted: bool) -> None:
    for position, status in enumerate((Status.INVALID_SOP_INSTANCE, Status.UID_INVALID, Status.UID_INVALID)):
        uids = ["1.2.3", "1.2.4", "1.2.5"]
        uids[position] = uid
        data = uid_elements(*uids)
        if accepted:
            assert read_header(memoryview(data), ExplicitVRLittleEndian)
        else:
            assert refusal(data).status is status


def uid_elements(instance: str, study: str, series: str) -> bytes:
    tags = (b"\x08\0\x16\0", b"\x08\0\x18\0", b"\x20\0\x0d\0", b"\x20\0\x0e\0")
    values = [each.encode() + b"\0" * (len(each) % 2) for each in ("1.2.840.1", instance, study, series)]
    return b"".join(
        tag + b"UI" + len(value).to_bytes(2, "little") + value
        for tag, value in zip(tags, values, strict=True)
    )
