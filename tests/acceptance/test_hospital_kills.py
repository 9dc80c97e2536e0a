"""A hospital whose gateway is killed 20 times: PACS, RIS, EHR and a folder have the same answers, each once.

Orthanc is the PACS that is asked, first by C-GET, then by C-MOVE, and that gets SR and SC back; an MLLP
listener is the RIS, a FHIR server the EHR.

The guarantee: at each end an answer has one identity, with which it is there once, whatever was sent again. A
PACS, an EHR and a folder hold one object by SOP Instance UID, identifier, name. A RIS gets a message again
where the gateway was killed between its acknowledgement and the row: at most one message for each kill, with
the same MSH-10 and the same bytes.
"""

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from gateway.proof.images import chest_pixels
from gateway.proof.injection import ORDERS, Orders
from gateway.proof.plan import ALL, ITSELF, RECEIVE, SERVE, WORK, Kill
from tests.acceptance.test_kill import source_of
from tests.peers.orthanc import AE_TITLE, Orthanc, running_orthanc
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded
from tests.wire.fhir_server import FhirServer, fhir_server
from tests.wire.mllp_server import MllpServer, mllp_server, say

SEED = int(os.environ.get("HOSPITAL_SEED", "20261126"))
RANDOM_KILLS = 3  # of each half
PULL = "pull"

WITH_GET = (
    ("pull.fetch.before", ITSELF),
    ("pull.fsync.after", ITSELF),  # the file is there, its row is not
    ("pull.commit.before", ALL),
    ("work.encode.after", ITSELF),
    ("work.message.after", ITSELF),  # acknowledged, not recorded
    ("work.bundle.after", ALL),
)
WITH_MOVE = (
    ("receive.fsync.before", ITSELF),
    ("receive.commit.after", SERVE),  # the row is there, the PACS has no answer
    ("pull.fetch.after", ITSELF),
    ("work.deliver.after", ITSELF),
    ("work.copy.after", ITSELF),
    ("work.message.after", ALL),
    ("work.bundle.after", ITSELF),
)
PNEUMONIA, CERTAINTY = "233604007", "111012"


@dataclass
class Hospital:
    """The gateway between its peers, and the day's images."""

    pacs: Orthanc
    ris: MllpServer
    ehr: FhirServer
    gateway: GatewayProcess
    orders: Orders
    outbox: Path
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - repeatable
    images: list[Dataset] = field(default_factory=list)
    kills: int = 0

    def examine_a_patient(self) -> None:
        """Bring the PACS a study of two images, each with a brightness of its own."""
        number, now = len(self.images), datetime.now().astimezone()
        shared = {
            "StudyInstanceUID": generate_uid(prefix=None),
            "StudyDate": f"{now:%Y%m%d}",
            "StudyTime": f"{now:%H%M%S}",
            "PatientID": f"P-{SEED}-{number}",
            "AccessionNumber": f"A-{SEED}-{number}",
        }
        for each in (1, 2):
            image = dx(**shared, InstanceNumber=each, pixels=darker(self.chance.uniform(0.5, 2)))
            self.images.append(image)
            self.pacs.upload(encoded(image))

    def kill_at(self, point: str, victim: str) -> None:
        """Kill at a named point, which the next images pass."""
        self.kills += 1
        kill = Kill(self.kills, point.partition(".")[0], victim, point, self.chance.randint(1, 2))
        self.orders.give(kill)
        self.examine_a_patient()
        wait_for(lambda: self.is_carried_out(kill))
        self.revive(victim)

    def is_carried_out(self, kill: Kill) -> bool:
        """Tell whether an order was carried out; what needs more passages gets more images."""
        if not self.orders.is_carried_out(kill) and self.is_at_rest():
            self.examine_a_patient()
        return self.orders.is_carried_out(kill)

    def kill_at_random(self) -> None:
        """Kill a role, the supervisor or all of them at a random moment after an image has come."""
        self.kills += 1
        victim = self.chance.choice((RECEIVE, WORK, PULL, SERVE, ALL))
        self.examine_a_patient()
        threading.Event().wait(self.chance.uniform(0, 2))
        if victim == ALL:
            self.gateway.kill()
        else:
            pid = self.gateway.process.pid if victim == SERVE else self.gateway.role(victim)
            os.kill(pid, signal.SIGKILL)
        self.revive(victim)

    def revive(self, victim: str) -> None:
        """Start the gateway again where its supervisor was killed, which starts the roles that were."""
        if victim in (SERVE, ALL):
            self.gateway.process.wait(PATIENCE_SECONDS)
            self.gateway.start()

    def is_at_rest(self) -> bool:
        """Tell whether every image is answered, and every answer delivered."""
        return len(self.gateway.images("delivered")) == len(self.images)

    def uids(self) -> list[str]:
        return sorted(str(each.SOPInstanceUID) for each in self.images)


def darker(exponent: float) -> NDArray[np.uint16]:
    """Return a radiograph with another grey curve."""
    pixels = chest_pixels()
    return np.asarray(4095 * (pixels / 4095.0) ** exponent, np.uint16)


def settings_for(pacs: Orthanc, ris: MllpServer, ehr: FhirServer, folder: Path) -> dict[str, Any]:
    return {
        "results": {"hl7": {"receiving_application": "RIS"}, "fhir": {}},
        "destinations": [
            {"name": "pacs", "kind": "dicom", **node_of(pacs)},
            {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": ris.port},
            {"name": "ehr", "kind": "fhir", "url": ehr.url},
            {"name": "outbox", "kind": "folder", "path": str(folder / "outbox")},
        ],
        "routes": [{"calling_ae_title": AE_TITLE, "to": ["pacs", "ris", "ehr", "outbox"]}],
        "delivery": {"first_retry_seconds": 0.2, "longest_retry_seconds": 0.5},
        "sources": [source(pacs, "get")],
    }


def node_of(pacs: Orthanc) -> dict[str, Any]:
    return {"ae_title": AE_TITLE, "host": "127.0.0.1", "port": pacs.dicom_port}


def source(pacs: Orthanc, retrieve: str) -> dict[str, Any]:
    """Return the PACS as a source; a study that is in hand at a kill has one attempt less."""
    often = {"schedule": {"recent_every_seconds": 1}, "first_retry_seconds": 0.2, "attempts": 40}
    return {"name": f"pacs-{retrieve}", "kind": "dicom", "retrieve": retrieve, **node_of(pacs), **often}


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    orders = tmp_path / "orders"
    with (
        running_orthanc(tmp_path / "pacs") as pacs,
        mllp_server(say("AA")) as ris,
        fhir_server() as ehr,
        running(
            tmp_path,
            environment={ORDERS: str(orders)},
            doubles=["armed", "instant"],
            scp={"port": free_port(), "processes": 1},
            workers=1,
            **settings_for(pacs, ris, ehr, tmp_path),
        ) as gateway,
    ):
        pacs.introduce(gateway.node)
        assert "sitecustomize" not in gateway.stderr(), gateway.stderr()  # Python goes on without it
        yield Hospital(pacs, ris, ehr, gateway, Orders(orders), tmp_path / "outbox")


@pytest.mark.slow
def test_every_end_has_the_same_answer_once_through_twenty_kills(hospital: Hospital) -> None:
    chance = hospital.chance
    for retrieve, points in (("get", WITH_GET), ("move", WITH_MOVE)):
        if retrieve != "get":
            hospital.kills += 1
            hospital.gateway.kill()
            hospital.gateway.configure(sources=[source(hospital.pacs, retrieve)])
            hospital.gateway.start()
        day = [
            *(partial(hospital.kill_at, *each) for each in points),
            *[hospital.kill_at_random] * RANDOM_KILLS,
        ]
        for kill in chance.sample(day, len(day)):
            kill()
    wait_for(hospital.is_at_rest)
    assert hospital.gateway.stop() == 0
    assert hospital.kills == 20
    assert {each["source"] for each in hospital.gateway.events("study_complete")} == {"pacs-get", "pacs-move"}

    expected = answers_in_reports(hospital.pacs, hospital.images)
    assert sorted(expected) == hospital.uids()
    assert len(set(expected.values())) > 1
    assert answers_in_messages(hospital) == expected
    assert answers_in_bundles(hospital) == expected
    assert_in_the_folder_once(hospital)


Answered = tuple[str, float]
"""Code of the answer, score in percent."""


def answers_in_reports(pacs: Orthanc, images: list[Dataset]) -> dict[str, Answered]:
    """Return the answers in the PACS by image, which has one SR and one SC for each, and nothing else."""
    answers: dict[str, Answered] = {}
    kinds: Counter[tuple[str, str]] = Counter()
    for study in {str(each.StudyInstanceUID) for each in images}:
        for uid in pacs.search(study):
            result = pacs.download(uid)
            if result.Modality == "DX":
                kinds[uid, "DX"] += 1
                continue
            kinds[source_of(result), result.Modality] += 1
            if result.Modality == "SR":
                answers[source_of(result)] = answer_in(result)
    wanted = [str(each.SOPInstanceUID) for each in images]
    assert kinds == Counter((uid, modality) for uid in wanted for modality in ("DX", "SR", "OT"))
    return answers


def answer_in(report: Dataset) -> Answered:
    items = list(items_below(report))
    (finding,) = [each for each in items if concept_of(each) == PNEUMONIA]
    (score,) = [each for each in items if concept_of(each) == CERTAINTY]
    return finding.ConceptCodeSequence[0].CodeValue, float(score.MeasuredValueSequence[0].NumericValue)


def items_below(item: Dataset) -> Iterator[Dataset]:
    for each in item.get("ContentSequence", ()):
        yield each
        yield from items_below(each)


def concept_of(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""


def answers_in_messages(hospital: Hospital) -> dict[str, Answered]:
    """Return the RIS's answers by image: each is one message, however often it came."""
    ris = hospital.ris
    different = set(ris.messages)
    assert len(different) == len(set(ris.control_ids)) == len(hospital.images)
    repeated = len(ris.messages) - len(different)
    assert 2 <= repeated <= hospital.kills, "two were killed between acknowledgement and row"
    assert Counter(order_number(each) for each in different) == Counter(
        str(each.AccessionNumber) for each in hospital.images
    )
    found = [answer_of_message(each) for each in different]
    return dict(found)


def order_number(message: bytes) -> str:
    (request,) = [each.split("|") for each in message.decode().split("\r") if each.startswith("OBR|")]
    return request[3]


def answer_of_message(message: bytes) -> tuple[str, Answered]:
    lines = [each.split("|") for each in message.decode().split("\r") if each.startswith("OBX|")]
    values = {line[3].split("^")[0] or line[3].split("^")[1]: line[5] for line in lines}
    return values["SOP Instance UID"], (values[PNEUMONIA].split("^")[0], float(values[CERTAINTY]))


def answers_in_bundles(hospital: Hospital) -> dict[str, Answered]:
    """Return the EHR's answers by image; what came again has changed nothing."""
    store = hospital.ehr.store
    assert len(store.all("Device")) == 1
    assert len(store.all("ImagingStudy")) == len({each.StudyInstanceUID for each in hospital.images})
    for name in ("DiagnosticReport", "Observation", "Provenance"):
        assert len(store.all(name)) == len(hospital.images), name
    for name in ("DiagnosticReport", "Observation"):
        for versions in store.resources[name].values():
            assert all(each == versions[0] for each in versions)
    sent = {bytes(each) for each in hospital.ehr.bodies}
    assert len(sent) == len(hospital.images)
    assert 2 <= len(hospital.ehr.bodies) - len(sent) <= hospital.kills
    return dict(answer_of_bundle(json.loads(each)) for each in sent)


def answer_of_bundle(bundle: dict[str, Any]) -> tuple[str, Answered]:
    resources = {each["resource"]["resourceType"]: each["resource"] for each in bundle["entry"]}
    observation = resources["Observation"]
    (series,) = resources["ImagingStudy"]["series"]
    code = observation["valueCodeableConcept"]["coding"][0]["code"]
    return series["instance"][0]["uid"], (code, observation["component"][0]["valueQuantity"]["value"])


def assert_in_the_folder_once(hospital: Hospital) -> None:
    """Its messages and Bundles are those that were sent, its SRs those of the PACS."""
    files = [path for path in hospital.outbox.rglob("*") if path.is_file()]
    contents = {
        suffix: [path for path in files if path.suffix == suffix] for suffix in (".dcm", ".hl7", ".json")
    }
    assert sum(map(len, contents.values())) == len(files) == 4 * len(hospital.images)
    assert sorted(path.read_bytes() for path in contents[".hl7"]) == sorted(set(hospital.ris.messages))
    assert sorted(path.read_bytes() for path in contents[".json"]) == sorted(set(hospital.ehr.bodies))
    uids = [str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in contents[".dcm"]]
    in_the_pacs = {
        uid for each in hospital.images for uid in hospital.pacs.search(str(each.StudyInstanceUID))
    }
    assert sorted([*uids, *hospital.uids()]) == sorted(in_the_pacs)
