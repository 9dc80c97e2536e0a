"""A gateway whose model is at two servers: one is killed, both are away, one holds another model.

The servers hold the shipped networks by OpenVINO; the gateway's host has neither OpenVINO nor PyTorch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from gateway.model.choice import EngineRules, open_openvino
from gateway.model.engines import NetworkEngine
from gateway.model.predictor import SHIPPED, Predictor, read_model
from gateway.settings import Settings
from gateway.worker.predict import predict_file
from tests.support.gateway_process import ROOT, GatewayProcess, wait_for
from tests.support.identities import SAMPLES, identities
from tests.support.model_server import FakeNetworks, ModelServer, serving

ELIGIBLE = ("cr_pa_monochrome1", "cr_pa_padding", "cr_pa_rle", "dx_pa_consolidation", "dx_pa_normal")
ENGINE = "test-server 9.1 (test) float32"
RULES = EngineRules("openvino", "float32", threads=1)
KILLED_AFTER = 10


@pytest.fixture(scope="module")
def networks() -> NetworkEngine:
    return open_openvino(read_model(SHIPPED)[1], RULES)


@pytest.fixture(scope="module")
def other_server() -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own; its port is its first line."""
    command = [sys.executable, "-m", "tests.support.model_server"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
    )
    with process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def server(networks: NetworkEngine) -> Iterator[ModelServer]:
    with serving(networks) as running:
        running.token = "a secret of this server"
        yield running


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, server: ModelServer, other_server: subprocess.Popen[str]
) -> Iterator[GatewayProcess]:
    urls = [f"http://127.0.0.1:{other_server.stdout.readline().strip()}", server.url]
    model = {"kind": "remote", "urls": urls, "timeout_seconds": 60, "images_per_request": 2}
    model["bearer_token"] = server.token
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("remote"),
        doubles=["no_engines"],
        model=model,
        web={"enabled": True, "port": 0},
    )
    gateway.start()
    yield gateway
    if gateway.runs:
        gateway.kill()


def copies(folder: Path, count: int) -> list[Path]:
    """Write images under new UIDs, the eligible samples in turn; return the files."""
    files = []
    for number in range(count):
        ds = dcmread(SAMPLES / f"{ELIGIBLE[number % len(ELIGIBLE)]}.dcm")
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(folder / f"{number:02d}.dcm")
        ds.save_as(files[-1])
    return files


def answered(gateway: GatewayProcess, count: int) -> list[dict[str, Any]]:
    wait_for(lambda: len(gateway.images("delivered")) >= count)
    return gateway.images("delivered")


def ready(gateway: GatewayProcess) -> dict[str, Any]:
    url = [event["url"] for event in gateway.events("started") if "url" in event][-1]
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def test_answers_are_the_local_engines_though_a_server_is_killed(
    gateway: GatewayProcess, other_server: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for(lambda: len(gateway.events("model_server_proven")) == 2)
    files = copies(tmp_path, 2 * KILLED_AFTER)
    gateway.send(*files[:KILLED_AFTER])
    wait_for(lambda: gateway.events("inferred"))
    other_server.kill()
    gateway.send(*files[KILLED_AFTER:])
    scores = {each["sop_instance_uid"]: each["score"] for each in answered(gateway, len(files))}
    local, settings = Predictor.open(None, RULES), Settings()
    for file in files:
        expected = predict_file(file, local, settings).line["score"]
        assert scores[dcmread(file).SOPInstanceUID] == pytest.approx(expected, abs=1e-4)
    assert gateway.images("failed") == []
    assert [event["reason"] for event in gateway.events("model_server_away")]


def test_every_report_states_server_and_precision(gateway: GatewayProcess) -> None:
    results = [file.read_bytes() for file in (gateway.data_dir / "outbox").rglob("*.dcm")]
    assert sum(f"Engine: {ENGINE}".encode() in result for result in results) == 2 * KILLED_AFTER


def test_nothing_that_identifies_leaves(gateway: GatewayProcess, server: ModelServer) -> None:
    traffic = b"".join(server.traffic)
    assert traffic.count(b"/infer HTTP/1.1") > KILLED_AFTER / 2
    told = set(identities()) | {"TESTS", "CXR_GATEWAY"}
    for image in gateway.images():
        told |= {str(image[key]) for key in ("sop_instance_uid", "study_instance_uid")}
    for file in gateway.data_dir.joinpath("spool").rglob("*.dcm"):
        ds = dcmread(file, stop_before_pixels=True)
        told |= {file.stem} | {
            str(each.value) for each in ds.iterall() if each.VR in ("UI", "PN", "LO", "DA")
        }
    told = {each for each in told if len(each) > 4}
    assert len(told) > 20
    assert {each for each in told if each.encode() in traffic} == set()


def test_images_wait_while_no_server_answers_and_health_and_doctor_say_so(
    gateway: GatewayProcess, server: ModelServer, networks: NetworkEngine, tmp_path: Path
) -> None:
    before = len(gateway.images("delivered"))
    server.networks = FakeNetworks()  # another model, under the same name and version
    gateway.send(*copies(tmp_path, 3))
    wait_for(lambda: gateway.events("model_server_refused"))
    health = wait_for(lambda: (found := ready(gateway))["status"] == "not ready" and found)
    assert "no model server answers" in health["checks"]["model"]["detail"]
    told = json.loads(gateway.command("doctor", "--json").stdout)
    findings = [each for each in told if each["what"] == "model server"]
    assert {each["verdict"] for each in findings} == {"wrong"}
    assert any("reference answers" in each["told"] for each in findings)
    assert [image["state"] for image in gateway.images("received")] == ["received"] * 3
    server.networks = networks
    answered(gateway, before + 3)
    assert gateway.images("failed") == []
