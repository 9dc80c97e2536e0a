"""Wrongs of archives while they are asked, as bytes: nothing is lost or believed, everything is bounded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from gateway.pull.source import SourceAway
from gateway.upper_layer.messages import MAX_OTHER_DATA_SET_BYTES
from tests.support.pulling import NOVEMBER, Here, puller_for
from tests.support.sources import dx
from tests.wire import pdus
from tests.wire.acceptor import Request, accepting
from tests.wire.raw_archive import PENDING, SUCCESS, Behaviour, Raw, find, script


def study(images: int = 2) -> list[Dataset]:
    uid, series = generate_uid(prefix=None), generate_uid(prefix=None)
    shared = {"StudyInstanceUID": uid, "SeriesInstanceUID": series, "StudyDate": "20261103"}
    return [dx(**shared) for _ in range(images)]


@contextmanager
def asking(
    folder: Path, images: Sequence[Dataset], *gets: Behaviour, finds: Behaviour = find, **source: Any
) -> Iterator[Here]:
    """Run an archive with one behaviour for each connection in turn, and a puller that asks it."""
    scripts = [script(images, get, finds) for get in gets]
    with accepting(scripts) as acceptor:
        settings = {
            "name": "pacs", "kind": "dicom", "ae_title": "RAW", "host": "127.0.0.1", "port": acceptor.port,
            "first_retry_seconds": 0.001, "timeout_seconds": 10,
        }  # fmt: skip
        with puller_for(folder, settings | source) as here:
            yield here


def send_all(raw: Raw, request: Request) -> None:
    """Send every image that the archive has, then success."""
    for image in raw.archive.images:
        raw.store(image)
        assert raw.status_of_store() == SUCCESS
    raw.respond(request, SUCCESS)


def success_first(raw: Raw, request: Request) -> None:
    """Say success, then send."""
    raw.respond(request, SUCCESS)
    for image in raw.archive.images:
        raw.store(image)
        raw.status_of_store()


def abort_within(raw: Raw, _: Request) -> None:
    """Send one image, a half of another one, then abort."""
    raw.store(raw.archive.images[0])
    raw.status_of_store()
    raw.store(raw.archive.images[1], part=0.5)
    raw.link.send(pdus.abort())


def send_twice(raw: Raw, request: Request) -> None:
    """Send every image twice."""
    for image in [*raw.archive.images, *raw.archive.images]:
        raw.store(image)
        assert raw.status_of_store() == SUCCESS
    raw.respond(request, SUCCESS)


def be_silent(raw: Raw, _: Request) -> None:
    raw.link.rest()


def store_where_it_asked(raw: Raw, _: Request) -> None:
    raw.store(raw.archive.images[0], context_id=3)


def never_end(raw: Raw, request: Request) -> None:
    while True:
        raw.respond(request, PENDING)


def answer_another_message(raw: Raw, request: Request) -> None:
    raw.respond(request, SUCCESS, message_id=request.message_id + 1)


def test_an_honest_archive_of_bytes_is_read(tmp_path: Path) -> None:
    images = study()
    with asking(tmp_path, images, send_all, send_all) as here:
        assert here.pull() == ["complete"]
        assert [here.rows(each) for each in images] == [1, 1]


def test_images_after_the_final_response_count_at_the_next_question(tmp_path: Path) -> None:
    images = study()
    with asking(tmp_path, images, success_first, success_first, send_all) as here:
        states = here.pull()
        while states[-1] != "complete":
            states += here.go_on()
        assert states[0] == "partial"
        assert [here.rows(each) for each in images] == [1, 1]


def test_an_abort_in_the_middle_of_an_image_leaves_no_trace_and_the_rest_is_asked_for(tmp_path: Path) -> None:
    images = study()
    with asking(tmp_path, images, abort_within, abort_within, send_all) as here:
        assert here.pull() == ["partial"]
        view = here.view(images[0])
        assert view.missing == (str(images[1].SOPInstanceUID),)
        assert "aborted" in (view.pull.detail or "")
        assert list((tmp_path / "spool" / "incoming").iterdir()) == []
        assert here.go_on() == ["complete"]
        assert [here.rows(each) for each in images] == [1, 1]


def test_an_image_that_is_sent_twice_is_one(tmp_path: Path) -> None:
    images = study()
    with asking(tmp_path, images, send_twice, send_twice) as here:
        assert here.pull() == ["complete"]
        assert [here.rows(each) for each in images] == [1, 1]


@pytest.mark.parametrize(
    ("behaviour", "seconds", "told"),
    [
        (be_silent, 1, "was silent for"),
        (store_where_it_asked, 60, "which is not for that"),
        (never_end, 1, "did not come to the end of its answer in time"),
        (answer_another_message, 60, "answered another message"),
    ],
)
def test_a_request_to_send_that_ends_badly_is_an_attempt(
    tmp_path: Path, behaviour: Behaviour, seconds: int, told: str
) -> None:
    images = study()
    with asking(tmp_path, images, behaviour, behaviour, retrieve_timeout_seconds=seconds) as here:
        assert here.pull() == ["partial"]
        assert told in (here.view(images[0]).pull.detail or "")


def test_responses_that_come_while_the_source_sends_are_not_kept(tmp_path: Path) -> None:
    images, times = study(), 300

    def say_much(raw: Raw, request: Request) -> None:
        for _ in range(times):
            raw.respond(request, PENDING, bytes(MAX_OTHER_DATA_SET_BYTES // 2))
        send_all(raw, request)

    with asking(tmp_path, images, say_much, say_much) as here, most_memory() as held:
        assert here.pull() == ["complete"]
    assert held.bytes < times * MAX_OTHER_DATA_SET_BYTES / 8


@dataclass
class Held:
    """The most bytes of Python's that were in use at a time."""

    bytes: int = 0


@contextmanager
def most_memory() -> Iterator[Held]:
    """Measure what the block holds at most."""
    held = Held()
    tracemalloc.start()
    try:
        yield held
    finally:
        held.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def find_without_end(raw: Raw, request: Request) -> None:
    """Name ever new studies."""
    while True:
        uid = str(generate_uid(prefix=None)).encode()
        uid += b"\0" * (len(uid) % 2)
        raw.respond(request, PENDING, b"\x20\0\x0d\0UI" + len(uid).to_bytes(2, "little") + uid)


def find_a_giant(raw: Raw, request: Request) -> None:
    """Answer with an identifier of a megabyte."""
    raw.respond(request, PENDING, bytes(900_000))


def find_nonsense(raw: Raw, request: Request) -> None:
    """Answer with identifiers that are none."""
    for _ in range(1000):
        raw.respond(request, PENDING, b"\xff" * 40)


@pytest.mark.parametrize(
    ("behaviour", "seconds", "told"),
    [
        (be_silent, 5, "was silent for"),
        (find_a_giant, 60, "larger than any can be"),
        (answer_another_message, 60, "answered another message"),
    ],
)
def test_a_search_that_ends_badly_is_the_sources_fault(
    tmp_path: Path, behaviour: Behaviour, seconds: int, told: str
) -> None:
    with (
        asking(tmp_path, study(), send_all, finds=behaviour, timeout_seconds=seconds) as here,
        pytest.raises(SourceAway, match=told),
    ):
        here.puller.search(NOVEMBER)


@pytest.mark.parametrize("behaviour", [find_without_end, find_nonsense])
def test_a_search_without_end_is_broken_off(tmp_path: Path, behaviour: Behaviour) -> None:
    with asking(tmp_path, study(), send_all, finds=behaviour) as here:
        session = here.puller._source.session(here.puller._stopping)
        with session as questions:
            found = questions.studies(NOVEMBER)
        assert found.is_cut
        assert len(found.studies) <= 2000


def find_with_gaps(raw: Raw, request: Request) -> None:
    """Answer once without an identifier, and once with an empty one, before the honest answers."""
    raw.respond(request, PENDING)
    raw.respond(request, PENDING, b"")
    find(raw, request)


def test_answers_without_an_identifier_count_as_none(tmp_path: Path) -> None:
    images = study()
    with asking(tmp_path, images, send_all, send_all, finds=find_with_gaps) as here:
        assert here.pull() == ["complete"]


def test_an_image_of_a_study_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    images, (other,) = study(), study(1)

    def send_another_too(raw: Raw, request: Request) -> None:
        raw.store(other)
        assert raw.status_of_store() == 0xA900
        send_all(raw, request)

    with asking(tmp_path, images, send_another_too, send_another_too) as here:
        assert here.pull() == ["complete"]
        assert [here.rows(each) for each in (*images, other)] == [1, 1, 0]
