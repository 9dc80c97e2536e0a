"""Destinations that are away, results that were given up, answers by another configuration."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom import dcmread

from gateway.proof.images import chest_pixels
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.opening import open_database
from gateway.store.queries.document import image_document
from gateway.store.queries.images import Images
from gateway.store.schema import answers
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded
from tests.support.storage_peer import storage_peer

IMAGES = 10
SETTLED = ("delivered", "ineligible", "failed")
SILENCE_SECONDS = 600  # for a destination that never answers: longer than any test waits
DELIVERY = {"first_retry_seconds": 0.2, "longest_retry_seconds": 1}


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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        yield silent.getsockname()[1]


def ledger(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """Look into the ledger of a gateway that runs: what a command would tell, without its start."""
    engine = open_engine(f"sqlite:///{gateway.data_dir}/gateway.sqlite")
    images = Images(Ledger(engine, gateway.data_dir))
    rows = [image_document(images.versions(row.sop_instance_uid)[0]) for row in images.newest()]
    engine.dispose()
    return rows


def image(gateway: GatewayProcess) -> dict[str, Any]:
    (row,) = ledger(gateway)
    return row


def all_are(gateway: GatewayProcess, state: str) -> bool:
    return [row["state"] for row in ledger(gateway)] == [state] * IMAGES


def test_a_destination_that_is_away_delays_no_other(tmp_path: Path) -> None:
    files = images(tmp_path, IMAGES)
    with silent_port() as silent:
        destinations = [
            pacs("refuses", free_port()),
            pacs("silent", silent, timeout_seconds=SILENCE_SECONDS),
            {"name": "outbox", "kind": "folder", "path": "outbox"},
        ]
        routes = [{"calling_ae_title": "*", "to": [each["name"] for each in destinations]}]
        with running(tmp_path, destinations=destinations, routes=routes) as gateway:
            gateway.send(*files.values())
            wait_for(lambda: len(gateway.events("delivered")) == 2 * IMAGES)
            assert {event["destination"] for event in gateway.events("delivered")} == {"outbox"}
            assert all_are(gateway, "inferred")


def test_a_long_outage_costs_one_attempt_at_a_time_and_ends_at_once(tmp_path: Path) -> None:
    files = images(tmp_path, IMAGES)
    port = free_port()
    routes = [{"calling_ae_title": "*", "to": ["pacs"]}]
    with running(tmp_path, destinations=[pacs("pacs", port)], routes=routes, delivery=DELIVERY) as gateway:
        for file in files.values():
            gateway.send(file)
        wait_for(lambda: all_are(gateway, "inferred"))
        with storage_peer(port=port) as peer:
            wait_for(lambda: all_are(gateway, "delivered"))
            assert len(set(peer.received)) == len(peer.received) == 2 * IMAGES
            assert peer.associations <= 3


@pytest.mark.parametrize("serving", [True, False], ids=["while it serves", "before it serves again"])
def test_what_was_given_up_is_retried_on_demand(tmp_path: Path, serving: bool) -> None:
    ((uid, file),) = images(tmp_path, 1).items()
    taken = {"status": 0xC123}
    with storage_peer(lambda _: taken["status"]) as peer:
        routes = [{"calling_ae_title": "*", "to": ["pacs"]}]
        with running(tmp_path, destinations=[pacs("pacs", peer.port)], routes=routes) as gateway:
            gateway.send(file)
            wait_for(lambda: image(gateway)["state"] == "failed")
            assert image(gateway)["reason"] == "not_delivered"
            taken["status"] = 0x0000
            if not serving:
                assert gateway.stop() == 0
            done = gateway.command("retry", *([uid] if serving else ["--failed"]))
            assert (done.returncode, done.stdout) == (0, "2 deliveries and 0 images begin anew\n"), (
                done.stderr
            )
            if not serving:
                gateway.start()
            wait_for(lambda: image(gateway)["state"] == "delivered")
            assert len(peer.received) == 2


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
        (["reprocess", "1.2"], 1, "1.2: no image with this SOP Instance UID was received"),
    ):
        done = gateway.command(*arguments)
        assert (done.returncode, done.stderr) == (status, f"gateway: {told}\n")
    assert gateway.command("retry", "--failed").returncode == 0


def test_another_configuration_answers_again_and_names_what_it_replaces(tmp_path: Path) -> None:
    ((uid, file),) = images(tmp_path, 1).items()
    with running(tmp_path) as gateway:
        gateway.send(file)
        wait_for(lambda: image(gateway)["state"] == "delivered")
        done = gateway.command("reprocess", uid)
        assert done.returncode == 0
        assert "nothing to do" in done.stdout
        assert gateway.stop() == 0
    first = {each["kind"]: each for each in image(gateway)["results"]}
    with running(tmp_path, model={"threshold": 0.123}) as gateway:
        done = gateway.command("reprocess", uid)
        assert (done.returncode, done.stdout) == (0, f"{uid}: is answered again\n"), done.stderr
        wait_for(lambda: len(gateway.events("inferred")) == 2)
        wait_for(lambda: image(gateway)["state"] == "delivered")
        results = image(gateway)["results"]
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


@pytest.mark.parametrize(("darker", "ends"), [(False, "pixels_unchanged"), (True, None)])
def test_a_picture_that_earlier_software_answered_keeps_its_answer(
    tmp_path: Path, darker: bool, ends: str | None
) -> None:
    radiograph, file = dx(), tmp_path / "image.dcm"
    file.write_bytes(encoded(radiograph))
    with running(tmp_path) as gateway:
        gateway.send(file)
        wait_for(lambda: image(gateway)["state"] == "delivered")
        _as_answered_by_earlier_software(gateway)
        radiograph.StudyDescription = "corrected"
        if darker:
            radiograph.PixelData = (chest_pixels() // 2).tobytes()
        file.write_bytes(encoded(radiograph))
        gateway.send(file)
        wait_for(lambda: [each["state"] in SETTLED for each in gateway.images()] == [True, True])
        assert {each["reason"] for each in gateway.images()} == {None, ends}


def _as_answered_by_earlier_software(gateway: GatewayProcess) -> None:
    """Make the row what an earlier version left: its digests of pictures were others."""
    with open_engine(f"sqlite:///{gateway.data_dir}/gateway.sqlite").begin() as connection:
        earlier = {"software_version": "0.1.0", "pixel_digest": "00" * 32}
        connection.execute(sa.update(answers).values(earlier))
