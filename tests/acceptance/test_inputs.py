"""What a receiver meets in real life, sent to one real gateway.

Every row of `inputs` says what is sent, which status its sender gets, which state and reason code it ends
with. After each comes an image that is answered all the same; in the end the same processes serve as in the
beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.proof.images import chest_pixels
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.queries.document import image_document
from gateway.store.queries.images import Images
from tests.acceptance.inputs.answered import ANSWERED
from tests.acceptance.inputs.not_answered import NOT_ANSWERED
from tests.acceptance.inputs.refused import REFUSED
from tests.acceptance.inputs.sent import Make, Sent
from tests.acceptance.inputs.streams import ABORT, BEFORE_ASSOCIATION, DX, WITHIN_ASSOCIATION
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.sources import cr
from tests.wire import pdus
from tests.wire.requestor import Requestor, Response

SETTLED = ("delivered", "ineligible", "failed")
PLANNED = {0x0000, 0xA700, 0xA900, 0x0117, 0x0122, 0x0124, *range(0xC000, 0xC0FF)}
STORM = 60  # connections: more than `scp.max_associations`
LIMITS = {  # all that come are of one peer; 50 stay open however long the machine takes for 60
    "idle_timeout_seconds": 300,
    "message_timeout_seconds": 5,
    "max_associations_per_peer": 50,
}


# --- the gateway


@dataclass
class Site:
    """A gateway that runs, and its ledger."""

    gateway: GatewayProcess
    images: Images
    roles: dict[str, int]
    followers: list[str] = field(default_factory=list)  # the images sent after each row

    def store(self, sent: Sent) -> Response:
        """Send one request; see that its association survives it, and that the next image is answered."""
        with self.peer() as peer:
            peer.associate(sent.context or sent.sop_class, Verification, transfer_syntax_uid=sent.syntax)
            response = peer.store(sent.sop_class, sent.sop_instance, sent.data)
            assert str(peer.release()) == "released"
        assert response.status in PLANNED
        return response

    def peer(self) -> Requestor:
        return Requestor((self.gateway.node.host, self.gateway.node.port))

    def versions(self, sop_instance_uid: str) -> list[dict[str, Any]]:
        return [image_document(version) for version in self.images.versions(sop_instance_uid)]

    def settled(self, sop_instance_uid: str) -> tuple[str, str | None]:
        """Wait for the end of an image; return its state and reason code."""
        (version,) = wait_for(
            lambda: [each for each in self.versions(sop_instance_uid) if each["state"] in SETTLED]
        )
        return version["state"], version["reason"]

    def next_image_is_stored(self) -> None:
        """Send an image after what was sent; the last test sees that all of these were answered."""
        sent = Sent.of(cr())
        assert self.store(sent).status == Status.SUCCESS
        self.followers.append(sent.sop_instance)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site"), doubles=["instant"], scp=LIMITS) as gateway:
        settings = Settings(data_dir=gateway.data_dir)
        ledger = Ledger(open_engine(settings.database_url), settings.data_dir)
        roles = {name: gateway.role(name) for name in ("receive", "work")}
        yield Site(gateway, Images(ledger), roles)


@pytest.fixture(scope="module")
def images(site: Site) -> dict[str, str]:
    """Send what is taken, an image after each; return the UIDs by row."""
    made = {name: make() for name, make in ANSWERED.items()}
    made |= {name: make() for name, (make, *_) in NOT_ANSWERED.items()}
    for sent in made.values():
        assert site.store(sent).status == Status.SUCCESS
        site.next_image_is_stored()
    return {name: sent.sop_instance for name, sent in made.items()}


@pytest.mark.parametrize(("make", "status"), REFUSED.values(), ids=REFUSED)
def test_refused(site: Site, make: Make, status: Status) -> None:
    refused_before = len(site.gateway.events("refused"))
    response = site.store(make())
    assert response.status == status
    assert 0 < len(response.comment) <= 64
    (event,) = site.gateway.events("refused")[refused_before:]
    assert (event["status"], bool(event["reason"])) == (str(status), True)
    site.next_image_is_stored()


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(site: Site, images: dict[str, str], name: str) -> None:
    assert site.settled(images[name]) == ("delivered", None)


@pytest.mark.parametrize("name", NOT_ANSWERED)
def test_not_answered(site: Site, images: dict[str, str], name: str) -> None:
    _, *end = NOT_ANSWERED[name]
    assert site.settled(images[name]) == tuple(end)
    assert site.versions(images[name])[0]["detail"]


@pytest.mark.parametrize("stream", BEFORE_ASSOCIATION.values(), ids=BEFORE_ASSOCIATION)
def test_before_an_association(site: Site, stream: bytes) -> None:
    with site.peer() as peer:
        peer.say(stream)
        site.next_image_is_stored()


@pytest.mark.parametrize("stream", WITHIN_ASSOCIATION.values(), ids=WITHIN_ASSOCIATION)
def test_within_an_association(site: Site, stream: bytes) -> None:
    with site.peer() as peer:
        assert peer.associate(DX) is not None
        peer.say(stream)
    site.next_image_is_stored()


@pytest.mark.parametrize("maximum_length", [0, 1, 6, 7, 8, 64, 0xFFFFFFFF])
def test_a_sender_that_takes_pdus_of_any_length(site: Site, maximum_length: int) -> None:
    context = pdus.proposed_context(1, DX.encode(), pdus.EXPLICIT_VR)
    user = pdus.user_information(maximum_length)
    with site.peer() as peer:
        peer.say(pdus.associate(pdus.ASSOCIATE_RQ, [context], user=user))
        assert peer.hear() is not None
        peer.store(DX, "1.2.3", None)
    site.next_image_is_stored()


@pytest.mark.parametrize(
    "stream",
    [b"", ABORT, BEFORE_ASSOCIATION["an A-ASSOCIATE-RQ of nonsense"]],
    ids=["probes", "aborts", "nonsense"],
)
def test_a_storm(site: Site, stream: bytes) -> None:
    peers = [site.peer() for _ in range(STORM)]
    for peer in peers:
        peer.say(stream)
        peer.close()
    site.next_image_is_stored()


def test_an_abort_storm_of_associations(site: Site) -> None:
    for _ in range(STORM):
        with site.peer() as peer:
            assert peer.associate(DX) is not None
            peer.say(ABORT)
    site.next_image_is_stored()


def test_a_flood_of_associations_is_rejected_and_passes(site: Site) -> None:
    peers = [site.peer() for _ in range(STORM)]
    answers = [str(peer.associate(DX)) for peer in peers]
    assert [answer for answer in answers if answer != "accepted"] == ["rejected 2/3/2"] * (STORM - 50)
    for peer in peers:
        peer.close()
    wait_for(lambda: accepted(site))
    site.next_image_is_stored()


def accepted(site: Site) -> bool:
    with site.peer() as peer:
        return str(peer.associate(Verification)) == "accepted"


# --- the same again


def test_the_same_instance_resent_is_answered_once(site: Site) -> None:
    sent = Sent.of(cr())
    assert [site.store(sent).status for _ in range(3)] == [Status.SUCCESS] * 3
    assert site.settled(sent.sop_instance) == ("delivered", None)
    (version,) = site.versions(sent.sop_instance)
    assert len(version["results"]) == 2


def test_the_same_instance_changed_is_kept_beside_the_first(site: Site) -> None:
    image = cr(PatientSex="F")
    first = Sent.of(image)
    site.store(first)
    assert site.settled(first.sop_instance) == ("delivered", None)
    image.PatientSex = "O"
    site.store(Sent.of(image))
    image.PixelData = (chest_pixels() // 2).tobytes()
    site.store(Sent.of(image))
    versions = wait_for(lambda: [v for v in [site.versions(first.sop_instance)] if all_settled(v)])[0]
    ends = [(version["state"], version["reason"]) for version in versions]
    assert ends == [("delivered", None), ("ineligible", "pixels_unchanged"), ("delivered", None)]


def all_settled(versions: list[dict[str, Any]]) -> bool:
    return len(versions) == 3 and all(version["state"] in SETTLED for version in versions)


@pytest.mark.parametrize("kind", ["sr", "sc"])
def test_our_own_results_sent_back_end_the_loop(site: Site, kind: str) -> None:
    sent = Sent.of(cr())
    site.store(sent)
    assert site.settled(sent.sop_instance) == ("delivered", None)
    results = {
        result["kind"]: Path(result["path"]) for result in site.versions(sent.sop_instance)[0]["results"]
    }
    back = Sent.of(dcmread(results[kind]))
    assert site.store(back).status == Status.SUCCESS
    assert site.settled(back.sop_instance) == ("ineligible", "own_result")


# --- after all of it


def test_the_same_processes_serve_and_nothing_of_a_patient_was_told(site: Site) -> None:
    """Comes last: nothing above has ended a role, left a file elsewhere, or put identity into a log."""
    site.next_image_is_stored()
    assert {site.settled(each) for each in site.followers} == {("delivered", None)}
    assert site.roles == {name: site.gateway.role(name) for name in site.roles}
    assert not site.gateway.events("role_died")
    assert not [
        event for name in ("bug", "refused") for event in site.gateway.events(name) if "exception" in event
    ]
    told = site.gateway.stderr() + (site.gateway.data_dir / "log" / "gateway.jsonl").read_text()
    assert not [word for word in ("Edith", "P-0042", "A-1001", "Traceback", "Warning") if word in told]
    studies = {path.parent for path in (site.gateway.data_dir / "outbox").rglob("*.dcm")}
    assert {path.parent for path in studies} == {site.gateway.data_dir / "outbox"}
