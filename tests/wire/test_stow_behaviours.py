"""STOW-RS against a server made of bytes: what each behaviour makes of an object, in which words.

Behaviours without an end are given a short patience; that a row returns at all is its deadline.
"""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.deliver.outcome import Verdict
from gateway.deliver.stow import StowClient
from gateway.settings import StowDestination
from gateway.store.entries import PendingDelivery
from tests.support.pending import pending_object
from tests.support.sources import dx
from tests.wire.stow_server import (
    Script,
    as_json,
    as_xml,
    drip,
    failed,
    flood,
    found,
    head,
    say,
    silence,
    stored,
    stow_server,
    write,
)

DELIVERED, LATER, NEVER, AWAY = Verdict.DELIVERED, Verdict.LATER, Verdict.NEVER, Verdict.AWAY
UID = "1.2.826.0.1.3680043.10.1.77"
OTHER = "1.2.3.4"
SHORT, PATIENT = 0.3, 60.0
CHUNKED = head(200, "Content-Type: application/dicom+json", "Transfer-Encoding: chunked")
OTHER_FAILURES = {"0008119A": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [49442]}}]}}
FOUND, NOT_FOUND = say(200, found(UID)), say(200, b"[]")


@dataclass(frozen=True)
class Row:
    """A behaviour, and what the object's outcome must be."""

    name: str
    post: Script
    verdict: Verdict
    words: str = ""
    deadline: float = PATIENT
    search: Script | None = None
    metadata: Script | None = None
    unsure: bool = False
    endless: bool = False


def answer(status: int, content: bytes | Callable[[str], bytes] = b"", *more: str) -> Script:
    return say(status, content, "application/dicom+json", *more)


def fails(reason: Any) -> Script:
    """A refusal with a failure reason."""
    return answer(409, as_json(failed(UID, reason)))


def with_uid(element: Any) -> bytes:
    """A module that writes the UID like this."""
    return as_json({"00081199": {"vr": "SQ", "Value": [{"00081155": element}]}})


MODULE = as_json(stored(UID))
ITEMS = stored(UID)["00081199"]
KEYWORDS = as_json({"ReferencedSOPSequence": [{"ReferencedSOPInstanceUID": UID}]})
BYTEWISE = b"".join(b"1\r\n%c\r\n" % each for each in MODULE) + b"0\r\n\r\n"
PART = b"--b\r\nContent-Type: application/dicom+xml\r\n\r\n" + as_xml(UID) + b"\r\n--b--\r\n"
UNSAID, UNREAD = "without naming the object", "its answer cannot be read"
PROXYS = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head></html>"
WEB_PAGE = "a web page answered, not a DICOMweb server"
SLOW, LARGE = "no whole answer within 0.3 s", "an answer of more than 1 MB"
UNKNOWN, ABSENT = "it cannot be looked up", "a look-up does not find it"

NAMED = [
    Row("the module", answer(200, MODULE), DELIVERED),
    Row("201", answer(201, MODULE), DELIVERED),
    Row("202 with another's failure", answer(202, as_json(stored(UID) | failed(OTHER, 272))), DELIVERED),
    Row("a JSON array", answer(200, as_json([stored(UID)])), DELIVERED),
    Row("two modules", answer(200, as_json([stored(OTHER), stored(UID)])), DELIVERED),
    Row("UID padded by NUL", answer(200, as_json(stored(UID + "\0"))), DELIVERED),
    Row("UID padded by a space", answer(200, as_json(stored(UID + " "))), DELIVERED),
    Row("tags in lower case", answer(200, as_json({"00081199": ITEMS}).lower()), DELIVERED),
    Row("values without a list", answer(200, with_uid({"Value": UID})), DELIVERED),
    Row("bare values", answer(200, with_uid(UID)), DELIVERED),
    Row("keywords", answer(200, KEYWORDS), DELIVERED),
    Row("a byte order mark", answer(200, b"\xef\xbb\xbf" + MODULE), DELIVERED),
    Row("JSON called text", say(200, MODULE, "text/plain; charset=utf-8"), DELIVERED),
    Row("JSON without a type", write(head(200) + MODULE), DELIVERED),
    Row("XML", say(200, as_xml(UID), "application/dicom+xml"), DELIVERED),
    Row("multipart XML", say(200, PART, "multipart/related"), DELIVERED),
    Row("gzip", answer(200, gzip.compress(MODULE), "Content-Encoding: gzip"), DELIVERED),
    Row("HTTP/1.0", write(b"HTTP/1.0 200 OK\r\n\r\n" + MODULE), DELIVERED),
    Row("100 Continue before it", write(head(100), head(200) + MODULE), DELIVERED),
    Row("102 and 103 before it", write(head(102) + head(103, "Link: </a>"), head(200) + MODULE), DELIVERED),
    Row("chunks of a byte", write(CHUNKED, BYTEWISE), DELIVERED),
]  # fmt: skip

UNNAMED = [
    Row("200, empty", answer(200), LATER, f"200 Reason {UNSAID}"),
    Row("202, empty", answer(202), LATER, f"202 Reason {UNSAID}"),
    Row("204", write(head(204)), LATER, f"204 Reason {UNSAID}"),
    Row("an empty module", answer(200, b"{}"), LATER, UNSAID),
    Row("an empty array", answer(200, b"[]"), LATER, UNSAID),
    Row("another UID", answer(200, as_json(stored(OTHER))), LATER, UNSAID),
    Row("the beginning of the UID", answer(200, as_json(stored(UID[:-1]))), LATER, UNSAID),
    Row("another sequence", answer(200, as_json({"0008114A": ITEMS})), LATER, UNSAID),
    Row("other failures only", answer(202, as_json(OTHER_FAILURES)), LATER, UNSAID),
    Row("a web page", say(200, b"<!DOCTYPE html><html>Log in</html>", "text/html"), LATER, WEB_PAGE),
    Row("words", say(200, b"stored, thanks", "text/plain"), LATER, UNREAD),
    Row("a number", answer(200, b"42"), LATER, UNREAD),
    Row("half of the JSON", answer(200, MODULE[:-5]), LATER, UNREAD),
    Row("nested without end", answer(200, b"[" * 500_000), LATER, UNREAD),
    Row("XML with entities", say(200, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), LATER, "document type"),
    Row("half of gzip", answer(200, gzip.compress(MODULE)[:-9], "Content-Encoding: gzip"), LATER, "cut off"),
    Row("another coding", answer(200, b"...", "Content-Encoding: br"), LATER, "Content-Encoding br"),
    Row("empty, but a search finds it", answer(200), DELIVERED, search=FOUND),
    Row("empty, but its metadata are there", answer(200), DELIVERED, metadata=FOUND),
    Row("a web page, but a search finds it", say(200, b"<html>", "text/html"), DELIVERED, search=FOUND),
    Row("empty, and a search does not find it", answer(200), LATER, ABSENT, search=NOT_FOUND),
    Row("empty, and a search finds another", answer(200), LATER, ABSENT, search=say(200, found(OTHER))),
    Row("empty, and the search is a web page", answer(200), LATER, UNKNOWN, search=say(200, b"<html>")),
]  # fmt: skip

REFUSED = [
    Row("failed, out of resources", fails(0xA700), LATER, "0xA700"),
    Row("failed, not understood", fails(0xC000), NEVER, "0xC000"),
    Row("failed, UID padded by NUL", answer(202, as_json(failed(UID + "\0", 0xA900))), NEVER, "0xA900"),
    Row("failed, in an array", answer(409, as_json([failed(UID, 0xA900)])), NEVER, "0xA900"),
    Row("failed, reason as decimal text", fails("43264"), NEVER, "0xA900"),
    Row("failed, reason as hexadecimal text", fails("0xA900"), NEVER, "0xA900"),
    Row("failed, in XML", say(409, as_xml(UID, "00081198", "43264")), NEVER, "0xA900"),
    Row("failed and stored", answer(202, as_json(stored(UID) | failed(UID, 0xA900))), NEVER, "0xA900"),
    Row("409 without a reason", say(409, b"conflict", "text/plain"), NEVER, "409 Reason"),
    Row("400 without a reason", say(400), NEVER, "400 Reason"),
    Row("400 of a proxy", say(400, PROXYS, "text/html"), LATER, "400 No required SSL certificate was sent"),
    Row("a proxy's, and a search finds it", say(400, PROXYS, "text/html"), DELIVERED, search=FOUND),
    Row("413", say(413), NEVER, "413 Reason"),
    Row("401", say(401), AWAY, "401 Reason"),
    Row("503", say(503), AWAY, "503 Reason"),
    Row("a redirect", say(302, b"", "text/plain", "Location: /login"), LATER, "redirects to /login"),
    Row("control characters", write(b"HTTP/1.1 503 \x1b[31mgone\0\r\n\r\n"), AWAY, r"\x1b[31mgone\x00"),
    Row("a comment without end", write(b"HTTP/1.1 503 " + b"x" * 60_000 + b"\r\n\r\n"), AWAY, "x…"),
]  # fmt: skip

ALREADY_THERE = [
    Row("0110, found", fails(0x0110), DELIVERED, search=FOUND),
    Row("0111, found by its metadata", fails(0x0111), DELIVERED, metadata=FOUND),
    Row("B00E, found", fails(0xB00E), DELIVERED, search=FOUND),
    Row("409 without a reason, found", say(409, b"exists", "text/plain"), DELIVERED, search=FOUND),
    Row("0110, not found", fails(0x0110), LATER, ABSENT, search=NOT_FOUND),
    Row("0111, not found", fails(0x0111), LATER, ABSENT, search=NOT_FOUND),
    Row("0110, no look-up", fails(0x0110), LATER, UNKNOWN),
    Row("0111, no look-up: its word counts", fails(0x0111), DELIVERED),
    Row("409 without a reason after an unknown end", say(409), LATER, "409", unsure=True),
    Row("found before it is sent again", say(500), DELIVERED, unsure=True, search=FOUND),
]  # fmt: skip

LOST = [
    Row("hangs up", write(), LATER, "closed the connection before it answered"),
    Row("hangs up, but stored it", write(), DELIVERED, search=FOUND),
    Row("502 of a proxy, but stored", say(502), DELIVERED, metadata=FOUND),
    Row("500", say(500), LATER, "500 Reason"),
    Row("not HTTP", write(b"SSH-2.0-OpenSSH_9.2\r\n"), LATER, "the answer is not HTTP"),
    Row("half of the head", write(b"HTTP/1.1 200 OK\r\nContent-Le"), LATER, UNSAID),
    Row("half a body", write(head(200, "Content-Length: 5000") + b"{}"), LATER, "ended 4998 bytes early"),
    Row("a length without end", write(head(200, f"Content-Length: {10**15}") + b"{}"), LATER, "bytes early"),
    Row("a chunk beyond memory", write(CHUNKED + b"ffffffffffff\r\n{}"), LATER, "not HTTP"),
    Row("a negative chunk", write(CHUNKED + b"-5\r\n{}"), LATER, "not HTTP"),
    Row("refuses at the first byte", write(head(403)), AWAY, "403"),
]  # fmt: skip

GZIP_BOMB, BOMB = gzip.compress(bytes(50 << 20)), zlib.compress(bytes(50 << 20), 9)
ENDLESS = [
    Row("says nothing", silence(), LATER, SLOW, SHORT, endless=True),
    Row("half of a status line", silence(b"HTTP/1.1 20"), LATER, SLOW, SHORT, endless=True),
    Row("a head without a body", silence(head(200, "Content-Length: 9")), LATER, SLOW, SHORT, endless=True),
    Row("drips a body", drip(head(200, "Content-Length: 99999"), b" "), LATER, SLOW, SHORT, endless=True),
    Row("drips chunks", drip(CHUNKED, b"1\r\n \r\n"), LATER, SLOW, SHORT, endless=True),
    Row("drips 103 Early Hints", drip(b"", head(103)), LATER, SLOW, SHORT, endless=True),
    Row("floods 103 Early Hints", flood(b"", head(103) * 1000), LATER, LARGE, endless=True),
    Row("drips 100 Continue", drip(b"", head(100)), LATER, SLOW, SHORT, endless=True),
    Row("drips headers", drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), LATER, SLOW, SHORT, endless=True),
    Row("floods a body", flood(head(200), b" " * 65536), LATER, LARGE, endless=True),
    Row("floods chunks", flood(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), LATER, LARGE, endless=True),
    Row("floods 100 Continue", flood(b"", head(100) * 1000), LATER, LARGE, endless=True),
    Row("floods headers", flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), LATER, "not HTTP", endless=True),
    Row("floods one header", flood(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536), LATER, "not HTTP", endless=True),
    Row("a bomb of gzip", answer(200, GZIP_BOMB, "Content-Encoding: gzip"), LATER, LARGE),
    Row("a bomb of deflate", answer(200, BOMB, "Content-Encoding: deflate"), LATER, LARGE),
    Row("the search drips", answer(200), LATER, UNKNOWN, 2.0, drip(head(200), b" ")),  # the POST has time
]  # fmt: skip

ROWS = NAMED + UNNAMED + REFUSED + ALREADY_THERE + LOST + ENDLESS


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> PendingDelivery:
    """One object that waits for delivery."""
    return pending_object(tmp_path_factory.mktemp("results"), image=dx(SOPInstanceUID=UID), destination="web")


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_server_that(row: Row, sent: PendingDelivery) -> None:
    with stow_server(row.post, search=row.search, metadata=row.metadata) as server:
        url = f"http://127.0.0.1:{server.port}/dicom-web"
        destination = StowDestination(name="web", kind="stow", url=url, timeout_seconds=row.deadline)
        (outcome,) = StowClient(destination).deliver([replace(sent, unsure=row.unsure)])
        assert (outcome.verdict, row.words in (outcome.error or "")) == (row.verdict, True), outcome.error
        assert outcome.error is None or (outcome.error.isprintable() and len(outcome.error) <= 1000)
        assert not row.endless or server.left.acquire(timeout=60)
