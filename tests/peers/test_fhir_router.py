"""Bundles in a FHIR R4 server that others wrote: Medplum's router with its repository in memory, in Node."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.fhir_answer import statuses_in
from gateway.results.answer import RESEARCH_SENTENCE, Predecessor
from gateway.results.result import Result
from tests.support.answers import NORMAL, UNDETERMINED, answer
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.messages import bundle
from tests.support.missing_peer import leave_out
from tests.support.sources import dx

MEDPLUM = Path(__file__).parent / "medplum"
EARLIER = Predecessor("1.2.3", "1.2.3.1", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.77")
SOURCE = dx(SOPInstanceUID="1.2.1", StudyInstanceUID="1.2.9")
Transact = Callable[..., tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]]


@pytest.fixture
def transact(tmp_path: Path) -> Transact:
    """Return what carries Bundles out, and tells the answers and the resources that are there then."""
    node = shutil.which("node")
    if node is None or not (MEDPLUM / "node_modules").is_dir():
        leave_out("Medplum's packages are missing: install Node and run make peers")

    def carry_out(*results: Result) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
        paths = [tmp_path / f"{number}.json" for number in range(len(results))]
        for path, result in zip(paths, results, strict=True):
            path.write_bytes(result.content)
        command = [node, "--experimental-websocket", str(MEDPLUM / "transact.js"), *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, done.stderr[-2000:]
        read = json.loads(done.stdout)
        return read["answers"], read["held"]

    return carry_out


def test_a_bundle_sent_twice_makes_nothing_twice_and_a_corrected_one_updates(transact: Transact) -> None:
    first = bundle(SOURCE)
    corrected = bundle(SOURCE, answer(NORMAL, configuration="c1" * 32, predecessors=(EARLIER,)))
    answers, held = transact(first, first, corrected, corrected)
    statuses = [[status for status, _ in statuses_in(json.dumps(each).encode())] for each in answers]
    assert statuses == [[201] * 5, [200] * 5, [200, 200, 200, 200, 201], [200] * 5]
    assert {name: len(each) for name, each in held.items()} == {
        "ImagingStudy": 1, "Device": 1, "Observation": 1, "DiagnosticReport": 1, "Provenance": 2,
    }  # fmt: skip
    (report,), (observation,) = held["DiagnosticReport"], held["Observation"]
    assert {report["status"], observation["status"]} == {"preliminary"}
    assert observation["valueCodeableConcept"]["text"] == "Absent"
    assert report["conclusion"].startswith(RESEARCH_SENTENCE)
    assert report["result"][0]["reference"] == f"Observation/{observation['id']}"
    assert report["subject"]["identifier"]["value"] == "P-0042"


def test_an_abstention_is_taken(transact: Transact) -> None:
    ((answered,), held) = transact(bundle(SOURCE, answer(UNDETERMINED)))
    assert {status for status, _ in statuses_in(json.dumps(answered).encode())} == {201}
    (observation,) = held["Observation"]
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == "373068000"
    assert "component" not in observation
