"""`make demo`: sends every sample to a gateway of its own and compares the outcomes with `expected.yaml`.

The exit status is 0 if every file ends as expected, else 1.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydicom import dcmread
from rich.console import Console
from rich.table import Table

from gateway.records import State
from gateway.requestor.send import Sent, send_files
from gateway.requestor.storage_scu import DicomNode
from gateway.settings import Settings
from gateway.store.opening import open_database
from gateway.store.queries.images import Images

SAMPLES = Path(__file__).parent
DATA_DIR = Path("var/demo").resolve()
PATIENCE_SECONDS = 120.0
LAST_STATES = {State.DELIVERED, State.INELIGIBLE, State.FAILED}
NOWHERE = "-"

console = Console(width=None if sys.stdout.isatty() else 250)
T = TypeVar("T")


@dataclass(frozen=True)
class SampleOutcome:
    """Final state of one sample, its answer or reason, and the paths of its results."""

    file: str
    state: str
    answer_or_reason: str
    probability: str = ""
    sr: str = NOWHERE
    sc: str = NOWHERE


def main() -> int:
    """Run the demonstration; return the exit status."""
    expected = yaml.safe_load((SAMPLES / "expected.yaml").read_text())
    shutil.rmtree(DATA_DIR, ignore_errors=True)
    with gateway_process():
        console.print("starting a gateway …")
        node = wait_for(ready_node)
        console.print(f"sending {len(expected)} files to {node}")
        outcomes = demonstrate([SAMPLES / entry["file"] for entry in expected], node)
    wrong = [o.file for o, entry in zip(outcomes, expected, strict=True) if not as_expected(o, entry)]
    console.print(table_of(outcomes, wrong))
    console.print("the radiographs are computed, and the model learnt from real ones: the answers show that")
    console.print("everything runs, and nothing of how good the model is")
    console.print(f"results and log are in {DATA_DIR}; to look at them in the browser:")
    console.print(f"  GATEWAY_DATA_DIR={DATA_DIR} make serve    then http://127.0.0.1:8080")
    if wrong:
        console.print(f"not as expected: {', '.join(wrong)}", style="red")
    return 1 if wrong else 0


@contextmanager
def gateway_process() -> Iterator[None]:
    """Run `gateway serve` with default settings, except for its own data directory and port."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    environment |= {"GATEWAY_DATA_DIR": str(DATA_DIR), "GATEWAY_SCP__PORT": "0"}
    (DATA_DIR / "log").mkdir(parents=True)
    with (DATA_DIR / "log" / "stderr.txt").open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "gateway", "serve"], env=environment, stderr=stderr)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def ready_node() -> DicomNode | None:
    """Return the address of the gateway once it is ready, else None."""
    log = DATA_DIR / "log" / "gateway.jsonl"
    for event in map(json.loads, log.read_text().splitlines() if log.exists() else []):
        if event["event"] == "ready":
            return DicomNode(event["ae_title"], event["host"], int(event["port"]), "DEMO")
    return None


def demonstrate(files: list[Path], node: DicomNode) -> list[SampleOutcome]:
    """Send all files over one association and wait for their outcomes."""
    sent = {each.file: each for each in send_files(files, node)}
    database, ledger = open_database(Settings(data_dir=DATA_DIR))
    images = Images(ledger)
    outcomes = [wait_for(lambda f=file: outcome_of(sent[f], images)) for file in files]  # type: ignore[misc]
    database.dispose()
    return outcomes


def outcome_of(sent: Sent, images: Images) -> SampleOutcome | None:
    """Return the outcome of one file, or None while it is being processed."""
    if not sent.stored:
        return SampleOutcome(sent.file.name, "refused", sent.problem)
    uid = str(dcmread(sent.file, stop_before_pixels=True).SOPInstanceUID)
    version = next(iter(images.versions(uid)), None)
    if version is None or version.state not in LAST_STATES:
        return None
    paths = {result.kind: str(result.path.relative_to(DATA_DIR)) for result in version.results}
    probability = "" if version.score is None else f"{version.score:.3f}"
    answer_or_reason = version.label or version.reason
    return SampleOutcome(sent.file.name, version.state, answer_or_reason, probability, **paths)


def as_expected(outcome: SampleOutcome, entry: dict[str, Any]) -> bool:
    """Tell whether the outcome matches its entry of `expected.yaml`."""
    if outcome.state != entry["state"]:
        return False
    if outcome.state == "refused":
        pattern = f"status 0x{entry['status'].replace('x', '?')} *"
        return fnmatch.fnmatchcase(outcome.answer_or_reason, pattern)
    if "reason" in entry:
        return bool(outcome.answer_or_reason == entry["reason"])
    answered = entry["answer"] == "any" or outcome.answer_or_reason in entry["answer"]
    return answered and NOWHERE not in (outcome.sr, outcome.sc)


def table_of(outcomes: list[SampleOutcome], wrong: list[str]) -> Table:
    """Return the table of the outcomes; unexpected ones are red."""
    table = Table(box=None)
    for heading in ("file", "state", "answer or reason", "P(pneumonia)", "SR", "SC"):
        table.add_column(heading, overflow="fold")
    for o in outcomes:
        style = "red" if o.file in wrong else None
        table.add_row(o.file, o.state, o.answer_or_reason, o.probability, o.sr, o.sc, style=style)
    return table


def wait_for(look: Callable[[], T | None]) -> T:
    """Return the first result of `look`; exit with a message after `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        if time.monotonic() > deadline:
            sys.exit(f"the gateway makes no progress; see its log in {DATA_DIR / 'log'}")
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    sys.exit(main())
