"""A modality, a RIS, an EHR and a folder: the same answer for each, once, through kills."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.identities import logs_below, told
from tests.support.key_objects import rejection
from tests.support.sources import dx, encoded
from tests.wire.fhir_server import FhirServer, Reply, fhir_server
from tests.wire.mllp_server import MllpServer, hang_up, mllp_server, say

IMAGES = 6


def settings_for(ris: MllpServer, ehr: FhirServer, folder: Path) -> dict[str, Any]:
    return {
        "results": {"hl7": {"receiving_application": "RIS"}, "fhir": {}},
        "destinations": [
            {"name": "outbox", "kind": "folder", "path": str(folder / "outbox")},
            {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": ris.port},
            {"name": "ehr", "kind": "fhir", "url": ehr.url},
        ],
        "routes": [{"calling_ae_title": "*", "to": ["outbox", "ris", "ehr"]}],
        "delivery": {"first_retry_seconds": 0.2, "longest_retry_seconds": 0.5},
    }


class Doorstep:
    """Kills the gateway while a destination has something in hand that it has not answered yet."""

    def __init__(self) -> None:
        self.is_reached = threading.Event()
        self.is_left = threading.Event()

    @contextmanager
    def before_an_answer(self) -> Iterator[None]:
        """Hold the answer back until the sender is dead; the second time, let it pass."""
        if not self.is_reached.is_set():
            self.is_reached.set()
            assert self.is_left.wait(300)
        yield


@pytest.mark.slow
def test_ris_ehr_and_folder_get_each_answer_once_through_kills(tmp_path: Path) -> None:
    at_the_ris, at_the_ehr = Doorstep(), Doorstep()

    def ris_answers(connection: Any, message: bytes) -> bool | None:
        with at_the_ris.before_an_answer():
            return say("AA")(connection, message)

    def ehr_answers(number: int) -> Reply | None:  # noqa: ARG001
        with at_the_ehr.before_an_answer():
            return None

    files = []
    for number in range(IMAGES):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(encoded(dx(InstanceNumber=number, PatientID=f"P-{number}00{number}")))
    uids = [str(dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in files]
    with mllp_server(ris_answers) as ris, fhir_server(ehr_answers) as ehr:
        settings = settings_for(ris, ehr, tmp_path)
        with running(tmp_path, doubles=["instant"], workers=1, **settings) as gateway:
            gateway.send(*files)
            wait_for(at_the_ris.is_reached.is_set)
            wait_for(at_the_ehr.is_reached.is_set)
            gateway.kill()
            at_the_ris.is_left.set()
            at_the_ehr.is_left.set()
            gateway.start()
            wait_for(lambda: len(gateway.images("delivered")) == IMAGES)
            assert_each_once(uids, ris, ehr, tmp_path)
            assert len(ris.messages) > IMAGES, "an attempt was repeated"
            assert len(ehr.bodies) > IMAGES

            resent_from = len(ris.messages)
            done = gateway.command("resend", uids[0], "--to", "ris")
            assert done.returncode == 0, done.stderr
            done = gateway.command("resend", uids[0], "--to", "ehr")
            assert done.returncode == 0, done.stderr
            wait_for(lambda: len(ris.messages) > resent_from and len(gateway.images("delivered")) == IMAGES)
            assert_each_once(uids, ris, ehr, tmp_path)
            assert gateway.stop() == 0
        assert told(logs_below(tmp_path), {"Example", *(f"P-{n}00{n}" for n in range(IMAGES))}) == {}


def assert_each_once(uids: list[str], ris: MllpServer, ehr: FhirServer, folder: Path) -> None:
    """Whatever came twice is known by its identity, and holds the same."""
    different = set(ris.messages)
    assert len(different) == len(set(ris.control_ids)) == len(uids)
    assert Counter(uid for uid in uids for each in different if f"|{uid}|".encode() in each) == Counter(uids)
    images = [
        instance["uid"]
        for body in {bytes(each) for each in ehr.bodies}
        for instance in json.loads(body)["entry"][0]["resource"]["series"][0]["instance"]
    ]
    assert sorted(images) == sorted(uids)
    for name in ("DiagnosticReport", "Observation", "Provenance", "ImagingStudy"):
        assert len(ehr.store.all(name)) == len(uids), name
    assert len(ehr.store.all("Device")) == 1
    names = [path.suffix for path in (folder / "outbox").rglob("*.*") if path.is_file()]
    assert Counter(names) == {".dcm": 2 * len(uids), ".hl7": len(uids), ".json": len(uids)}


@pytest.mark.slow
def test_a_rejected_image_is_withdrawn_at_ris_and_ehr_once_through_a_kill(tmp_path: Path) -> None:
    image, note = tmp_path / "image.dcm", tmp_path / "note.dcm"
    image.write_bytes(encoded(dx()))
    uid = str(dcmread(image, stop_before_pixels=True).SOPInstanceUID)
    note.write_bytes(encoded(rejection(uid)))
    at_the_ris = Doorstep()

    def ris_answers(connection: Any, message: bytes) -> bool | None:
        if b"|W|" in message:
            with at_the_ris.before_an_answer():
                pass
        return say("AA")(connection, message)

    with mllp_server(ris_answers) as ris, fhir_server() as ehr:
        settings = settings_for(ris, ehr, tmp_path)
        settings["delivery"] |= {"withdrawals": {}}
        with running(tmp_path, doubles=["instant"], workers=1, **settings) as gateway:
            gateway.send(image)
            wait_for(lambda: gateway.images("delivered"))
            gateway.send(note)
            wait_for(at_the_ris.is_reached.is_set)
            gateway.kill()
            at_the_ris.is_left.set()
            gateway.start()
            wait_for(lambda: len(stored(gateway, uid)) == 10)
            assert gateway.stop() == 0
    first, withdrawn, *repeated = ris.messages
    assert repeated == [withdrawn] != [first]
    assert {each["status"] for each in ehr.store.all("Observation")} == {"entered-in-error"}
    assert [each["status"] for each in ehr.store.all("DiagnosticReport")] == ["entered-in-error"]
    names = [path.suffix for path in (tmp_path / "outbox").rglob("*.*") if path.is_file()]
    assert Counter(names) == {".dcm": 2, ".hl7": 2, ".json": 2}


def test_a_receiver_that_is_away_holds_up_nobody(tmp_path: Path) -> None:
    file = tmp_path / "image.dcm"
    file.write_bytes(encoded(dx()))
    with (
        mllp_server(hang_up) as ris,
        fhir_server(lambda _: Reply(503)) as ehr,
        running(tmp_path, doubles=["instant"], **settings_for(ris, ehr, tmp_path)) as gateway,
    ):
        gateway.send(file)
        uid = str(dcmread(file, stop_before_pixels=True).SOPInstanceUID)
        wait_for(lambda: len(stored(gateway, uid)) == 4)
        assert {each["destination"] for each in stored(gateway, uid)} == {"outbox"}


def stored(gateway: GatewayProcess, uid: str) -> list[dict[str, Any]]:
    (version,) = gateway.versions(uid)
    return [each for each in version["deliveries"] if each["state"] == "stored"]
