"""The whole gateway between DCMTK's storescu and storescp, its results under the field's validators."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom import dcmread

from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sockets import listens

SAMPLES = Path(__file__).parents[2] / "sample_dicoms"
EXPECTED = {entry["file"]: entry for entry in yaml.safe_load((SAMPLES / "expected.yaml").read_text())}
STORESCU_OPTION = {
    "cr_pa_jpeg_lossless.dcm": "-xs",
    "dx_pa_jpeg_2000.dcm": "-xv",
    "cr_pa_rle.dcm": "-xr",
}
Find = Callable[[str], str]


@contextmanager
def storescp(program: str, folder: Path) -> Iterator[int]:
    """Run DCMTK's storescp; yield its port."""
    port = free_port()
    folder.mkdir()
    process = subprocess.Popen([program, "-aet", "PACS", "-od", str(folder), "+B", str(port)])
    try:
        wait_for(lambda: listens("127.0.0.1", port))
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, dcmtk: Find) -> Iterator[tuple[GatewayProcess, Path]]:
    """A gateway that delivers to a storescp what the modality WARD sends, and to a folder all else."""
    folder = tmp_path_factory.mktemp("hospital")
    pacs = folder / "pacs"
    with storescp(dcmtk("storescp"), pacs) as port:
        destinations = [
            {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port},
            {"name": "outbox", "kind": "folder", "path": "outbox"},
        ]
        routes = [{"calling_ae_title": "WARD*", "to": ["pacs"]}, {"calling_ae_title": "*", "to": ["outbox"]}]
        with running(folder, doubles=["instant"], destinations=destinations, routes=routes) as gateway:
            yield gateway, pacs


def storescu(program: str, gateway: GatewayProcess, file: Path, calling: str) -> int:
    node = gateway.node
    option = [STORESCU_OPTION[file.name]] if file.name in STORESCU_OPTION else []
    command = [
        program,
        "-R",
        *option,
        "-aet",
        calling,
        "-aec",
        node.ae_title,
        node.host,
        str(node.port),
        str(file),
    ]
    return subprocess.run(command, check=False, timeout=PATIENCE_SECONDS).returncode


def instance_of(gateway: GatewayProcess, file: Path) -> dict[str, Any]:
    uid = dcmread(file, stop_before_pixels=True).SOPInstanceUID
    return gateway.versions(str(uid))[0]


def settled(gateway: GatewayProcess, file: Path) -> dict[str, Any]:
    """Wait until the gateway is done with an image."""
    wait_for(lambda: instance_of(gateway, file)["state"] not in ("received", "inferred"))
    return instance_of(gateway, file)


ANSWERED = [name for name, entry in EXPECTED.items() if entry["state"] == "delivered"]
INELIGIBLE = [name for name, entry in EXPECTED.items() if entry["state"] == "ineligible"]


@pytest.mark.parametrize("name", ANSWERED)
def test_storescu_sends_and_storescp_gets_valid_results(
    name: str, hospital: tuple[GatewayProcess, Path], dcmtk: Find, dicom3tools: Find, tmp_path: Path
) -> None:
    gateway, pacs = hospital
    source = SAMPLES / name
    assert storescu(dcmtk("storescu"), gateway, source, "WARD7") == 0
    instance = settled(gateway, source)
    assert instance["state"] == "delivered", instance
    results = [find_instance(pacs, result["sop_instance_uid"]) for result in instance["results"]]
    assert [dcmread(result).Modality for result in results] == ["SR", "OT"]
    for result in results:
        assert_passes(dicom3tools("dciodvfy"), "-new", result)
    assert_passes(dicom3tools("dcentvfy"), in_unicode(source, tmp_path), *results)
    html = tmp_path / "report.html"
    assert_passes(dcmtk("dsr2html"), results[0], html)
    assert "Certainty of Finding" in html.read_text() or "Undetermined" in html.read_text()


@pytest.mark.parametrize("name", INELIGIBLE)
def test_what_needs_no_answer_is_stored_with_its_reason(
    name: str, hospital: tuple[GatewayProcess, Path], dcmtk: Find
) -> None:
    gateway, _ = hospital
    assert storescu(dcmtk("storescu"), gateway, SAMPLES / name, "WARD7") == 0
    instance = settled(gateway, SAMPLES / name)
    assert (instance["state"], instance["reason"]) == ("ineligible", EXPECTED[name]["reason"])


def test_other_senders_results_go_elsewhere(hospital: tuple[GatewayProcess, Path], dcmtk: Find) -> None:
    gateway, _ = hospital
    image = dcmread(SAMPLES / "dx_pa_normal.dcm")
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    copy = gateway.data_dir / "copy.dcm"
    image.save_as(copy)
    assert storescu(dcmtk("storescu"), gateway, copy, "CLINIC") == 0
    instance = settled(gateway, copy)
    assert {delivery["destination"] for delivery in instance["deliveries"]} == {"outbox"}
    outbox = gateway.data_dir / "outbox" / image.StudyInstanceUID
    names = {f"{result['sop_instance_uid']}.dcm" for result in instance["results"]}
    assert {path.name for path in outbox.iterdir()} == names


def test_results_that_come_back_end_the_loop(hospital: tuple[GatewayProcess, Path], dcmtk: Find) -> None:
    gateway, _ = hospital
    source = SAMPLES / "dx_pa_normal.dcm"
    storescu(dcmtk("storescu"), gateway, source, "WARD7")
    for result in settled(gateway, source)["results"]:
        path = Path(result["path"])
        assert storescu(dcmtk("storescu"), gateway, path, "WARD7") == 0
        instance = settled(gateway, path)
        assert (instance["state"], instance["reason"]) == ("ineligible", "own_result")


def find_instance(folder: Path, uid: str) -> Path:
    """Return the received file that holds this instance."""
    return next(
        p for p in folder.iterdir() if dcmread(p, specific_tags=["SOPInstanceUID"]).SOPInstanceUID == uid
    )


def in_unicode(source: Path, folder: Path) -> Path:
    """Return the source in the results' character set, since dcentvfy compares names byte by byte."""
    image = dcmread(source)
    image.decode()
    image.SpecificCharacterSet = "ISO_IR 192"
    image.save_as(folder / source.name)
    return folder / source.name


def assert_passes(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
