"""Destinations that are away, results that were given up, answers by another configuration."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom import dcmread

from gateway.dicom.statuses import Status
from gateway.proof.images import chest_pixels
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.opening import open_database
from gateway.store.schema import answers, instances
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, wait_for
from tests.support.sources import dx, encoded
from tests.support.storage_peer import StoragePeer, storage_peer

IMAGES = 10
SETTLED = ("delivered", "ineligible", "failed")
SILENCE_SECONDS = 600  # for a destination that never answers: longer than any test waits
DELIVERY = {"first_retry_seconds": 0.2, "longest_retry_seconds": 1}


@dataclass
class Hospital:
    """A gateway, and the PACSs of its routes; each test sends by the calling AE title of its route."""

    gateway: GatewayProcess
    answering: StoragePeer
    answer: Callable[[str], int]  # of that PACS, to each SOP Instance UID
    down_port: int  # where a PACS may come up

    def send(self, route: str, *files: Path) -> None:
        assert all(sent.stored for sent in self.gateway.send(*files, calling_ae_title=route))


def take(_: str) -> int:
    return Status.SUCCESS


@pytest.fixture(scope="module")
def one_hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with ExitStack() as stack:
        silent = stack.enter_context(silent_port())
        answering = stack.enter_context(storage_peer(lambda uid: made.answer(uid)))
        down_port = free_port()
        destinations = [
            pacs("refuses", free_port()),
            pacs("silent", silent, timeout_seconds=SILENCE_SECONDS),
            pacs("down", down_port),
            pacs("answering", answering.port),
            {"name": "outbox", "kind": "folder", "path": "outbox"},
        ]
        routes = {"SEVERAL": ["refuses", "silent", "outbox"], "DOWN": ["down"], "ANSWERING": ["answering"]}
        gateway = GatewayProcess(
            tmp_path_factory.mktemp("gateway"),
            doubles=["instant"],
            destinations=destinations,
            routes=[
                {"calling_ae_title": title, "to": to} for title, to in (routes | {"*": ["outbox"]}).items()
            ],
            delivery=DELIVERY,
            shutdown_seconds=3,  # the silent one would hold up a stop
        )
        made = Hospital(gateway, answering, take, down_port)
        yield made
        if gateway.runs:
            gateway.kill()


@pytest.fixture
def hospital(one_hospital: Hospital) -> Hospital:
    """The hospital with a gateway that runs, and whose log begins anew."""
    one_hospital.gateway.begin_test()
    return one_hospital


def pacs(name: str, port: int, **changes: Any) -> dict[str, Any]:
    return {"name": name, "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port} | changes


def images(folder: Path, count: int) -> dict[str, Path]:
    """Write radiographs, by SOP Instance UID."""
    made = {}
    for number in range(count):
        image = dx()
        made[str(image.SOPInstanceUID)] = path = folder / f"{number}.dcm"
        path.write_bytes(encoded(image))
    return made


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        yield silent.getsockname()[1]


def image(gateway: GatewayProcess, uid: str) -> dict[str, Any]:
    (version,) = gateway.versions(uid)
    return version


def all_are(gateway: GatewayProcess, uids: Iterable[str], state: str) -> bool:
    states = {row["sop_instance_uid"]: row["state"] for row in gateway.images()}
    return {states[uid] for uid in uids} == {state}


def test_a_destination_that_is_away_delays_no_other(hospital: Hospital, tmp_path: Path) -> None:
    files = images(tmp_path, IMAGES)
    hospital.send("SEVERAL", *files.values())
    wait_for(lambda: len(hospital.gateway.events("delivered")) == 2 * IMAGES)
    assert {event["destination"] for event in hospital.gateway.events("delivered")} == {"outbox"}
    assert all_are(hospital.gateway, files, "inferred")


def test_a_long_outage_costs_one_attempt_at_a_time_and_ends_at_once(
    hospital: Hospital, tmp_path: Path
) -> None:
    files = images(tmp_path, IMAGES)
    for file in files.values():
        hospital.send("DOWN", file)
    wait_for(lambda: all_are(hospital.gateway, files, "inferred"))
    with storage_peer(port=hospital.down_port) as peer:
        wait_for(lambda: all_are(hospital.gateway, files, "delivered"))
        assert len(set(peer.received)) == len(peer.received) == 2 * IMAGES
        assert peer.associations <= 3


@pytest.mark.parametrize("serving", [True, False], ids=["while it serves", "before it serves again"])
def test_what_was_given_up_is_retried_on_demand(hospital: Hospital, tmp_path: Path, serving: bool) -> None:
    ((uid, file),) = images(tmp_path, 1).items()
    gateway, before = hospital.gateway, len(hospital.answering.received)
    hospital.answer = lambda _: 0xC123
    hospital.send("ANSWERING", file)
    wait_for(lambda: image(gateway, uid)["state"] == "failed")
    assert image(gateway, uid)["reason"] == "not_delivered"
    hospital.answer = take
    if not serving:
        assert gateway.stop() == 0
    done = gateway.command("retry", *([uid] if serving else ["--failed"]))
    assert (done.returncode, done.stdout) == (0, "2 deliveries and 0 images begin anew\n"), done.stderr
    if not serving:
        gateway.start()
    wait_for(lambda: image(gateway, uid)["state"] == "delivered")
    assert len(hospital.answering.received) == before + 2


def test_a_stop_does_not_wait_for_a_slow_destination(hospital: Hospital, tmp_path: Path) -> None:
    asked, go_on, gone_on = threading.Event(), threading.Event(), threading.Event()

    def slow(_: str) -> int:
        asked.set()
        go_on.wait(PATIENCE_SECONDS)
        gone_on.set()
        return Status.SUCCESS

    gateway, before = hospital.gateway, len(hospital.answering.received)
    hospital.answer = slow
    hospital.send("ANSWERING", *images(tmp_path, 1).values())
    assert asked.wait(PATIENCE_SECONDS)
    assert gateway.stop() == 0
    assert not gone_on.is_set()
    go_on.set()
    gateway.start()
    wait_for(lambda: len(gateway.events("delivered")) == 2)
    wait_for(lambda: len(set(hospital.answering.received[before:])) == 2)  # noted after the answer
    hospital.answer = take


def test_before_the_first_start_no_command_makes_anything(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    for arguments in (["retry", "--failed"], ["list"], ["show", "1.2"]):
        done = gateway.command(*arguments)
        assert done.returncode == 1
        assert "no gateway has run here yet" in done.stderr
    assert not gateway.data_dir.exists()


def test_wrong_requests_are_answered_in_one_line(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    open_database(Settings(data_dir=gateway.data_dir))[0].dispose()
    for arguments, status, told in (
        (["retry"], 2, "state the SOP Instance UID of an image, or --failed"),
        (["retry", "1.2", "--failed"], 2, "state the SOP Instance UID of an image, or --failed"),
        (["retry", "1.2"], 1, "1.2: no image with this SOP Instance UID was received"),
        (["reprocess"], 2, "state SOP Instance UIDs of images; or --study, --since or both"),
        (["reprocess", "--study", "1.2"], 1, "nothing to answer again: no image with an answer"),
        (["reprocess", "1.2"], 1, "1.2: no image with this SOP Instance UID was received"),
    ):
        done = gateway.command(*arguments)
        assert (done.returncode, done.stderr) == (status, f"gateway: {told}\n")
    assert gateway.command("retry", "--failed").returncode == 0


@pytest.mark.parametrize(("darker", "ends"), [(False, "pixels_unchanged"), (True, None)])
def test_a_picture_that_earlier_software_answered_keeps_its_answer(
    hospital: Hospital, tmp_path: Path, darker: bool, ends: str | None
) -> None:
    radiograph, file, gateway = dx(), tmp_path / "image.dcm", hospital.gateway
    uid = str(radiograph.SOPInstanceUID)
    file.write_bytes(encoded(radiograph))
    hospital.send("ANY", file)
    wait_for(lambda: image(gateway, uid)["state"] == "delivered")
    _as_answered_by_earlier_software(gateway, uid)
    radiograph.StudyDescription = "corrected"
    if darker:
        radiograph.PixelData = (chest_pixels() // 2).tobytes()
    file.write_bytes(encoded(radiograph))
    hospital.send("ANY", file)
    wait_for(lambda: [each["state"] in SETTLED for each in gateway.versions(uid)] == [True, True])
    assert {each["reason"] for each in gateway.versions(uid)} == {None, ends}


def _as_answered_by_earlier_software(gateway: GatewayProcess, uid: str) -> None:
    """Make the row what an earlier version left: its digests of pictures were others."""
    image = sa.select(instances.c.id).where(instances.c.sop_instance_uid == uid).scalar_subquery()
    earlier = {"software_version": "0.1.0", "pixel_digest": "00" * 32}
    with open_engine(f"sqlite:///{gateway.data_dir}/gateway.sqlite").begin() as connection:
        connection.execute(sa.update(answers).where(answers.c.instance_id == image).values(earlier))


def test_another_configuration_answers_again_and_names_what_it_replaces(
    hospital: Hospital, tmp_path: Path
) -> None:
    ((uid, file),) = images(tmp_path, 1).items()
    gateway = hospital.gateway
    hospital.send("ANY", file)
    wait_for(lambda: image(gateway, uid)["state"] == "delivered")
    done = gateway.command("reprocess", uid)
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
    assert gateway.stop() == 0
    first = {each["kind"]: each for each in image(gateway, uid)["results"]}
    gateway.configure(model={"threshold": 0.123})
    gateway.start()
    done = gateway.command("reprocess", "--study", image(gateway, uid)["study_instance_uid"])
    assert (done.returncode, done.stdout) == (
        0,
        "1 images are answered again; 0 have their answer by this model, configuration and revision; "
        "0 cannot be answered again\n",
    ), done.stderr
    wait_for(lambda: len(gateway.events("inferred")) == 2)
    wait_for(lambda: image(gateway, uid)["state"] == "delivered")
    results = image(gateway, uid)["results"]
    assert len(results) == 4
    (report,) = (each for each in results if each["kind"] == "sr" and not each["superseded_at"])
    earlier = dcmread(first["sr"]["path"])
    (study,) = dcmread(report["path"]).PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == earlier.StudyInstanceUID
    assert series.SeriesInstanceUID == earlier.SeriesInstanceUID
    assert instance.ReferencedSOPInstanceUID == earlier.SOPInstanceUID
    assert {each["sop_instance_uid"] for each in results if each["superseded_at"]} == {
        each["sop_instance_uid"] for each in first.values()
    }
