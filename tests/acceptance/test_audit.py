"""One gateway's audit trail, in its files and at a syslog collector, and a log that names no patient."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from lxml import etree
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from tests.support.certificates import Authority
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.identities import SAMPLES, identities, logs_below, told
from tests.support.sources import dx, encoded, with_raw
from tests.support.syslog_collector import syslog_collector

NAMED = "Example^Edith"
HOSTILE = {  # a name where something else belongs, or that cannot be read
    "a window": {0x00281050: ("DS", NAMED.encode() + b" ")},
    "a date": {0x00080020: ("DA", NAMED.encode() + b" ")},
    "an age": {0x00101010: ("AS", NAMED.encode() + b" ")},
    "a slope": {0x00281053: ("DS", NAMED.encode() + b" ")},
    "a spacing": {0x00181164: ("DS", NAMED.encode() + b" ")},
    "a sex": {0x00100040: ("CS", NAMED.encode() + b" ")},
    "a character set": {0x00080005: ("CS", NAMED.encode() + b" ")},
    "rows": {0x00280010: ("US", NAMED.encode() + b" ")},
    "bytes of no character set": {0x00100010: ("PN", NAMED.encode() + b"\xff\x1b$B")},
    "a view": {0x00185101: ("CS", NAMED.encode() + b" ")},
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The samples, and images that are hostile to whoever reads them."""
    hostile = []
    for name, values in HOSTILE.items():
        hostile.append(tmp_path / f"{name}.dcm")
        hostile[-1].write_bytes(encoded(with_raw(values)))
    truncated = tmp_path / "truncated.dcm"
    truncated.write_bytes(encoded(dx(Rows=200)))
    return [*sorted(SAMPLES.glob("*.dcm")), *hostile, truncated]


@pytest.mark.filterwarnings("ignore")
def test_who_did_what_is_audited_and_nobody_is_named_elsewhere(tmp_path: Path, files: list[Path]) -> None:
    authority = Authority(tmp_path / "authority")
    client = authority.sign("gateway").files
    with syslog_collector(authority.sign("collector"), authority.ca) as collector:
        syslog = {"host": "127.0.0.1", "port": collector.port, "ca": str(authority.ca), **client}
        with running(tmp_path, doubles=["instant"], audit={"syslog": syslog}) as gateway:
            refused = [sent.file for sent in gateway.send(*files) if not sent.stored]
            assert tmp_path / "truncated.dcm" in refused
            call_as_somebody_else(gateway)
            wait_for(lambda: not under_way(gateway))
            assert gateway.stop() == 0
        lines = trail_of(gateway)
        wait_for(lambda: len(collector.messages) >= len(lines))
        assert Counter(collector.messages) == Counter(lines)
    history = history_of(gateway)
    assert {"received", "ineligible", "inferred", "encoded", "delivered"} <= {e for e, _ in history}
    assert logged(gateway, {event for event, _ in history}) == history  # each event of an image is told once
    counts = Counter(event_of(line) for line in lines)
    results = list((gateway.data_dir / "outbox").rglob("*.dcm"))
    assert counts == {
        ("110100", "110120", "0"): 2,  # receiver and worker
        ("110100", "110121", "0"): 2,
        ("110104", None, "0"): len(files) - len(refused),
        ("110104", None, "8"): len(refused),
        ("110106", None, "0"): len(results),
        ("110113", "110126", "4"): 1,
    }
    assert any("山田^太郎".encode() in line for line in lines)
    who = identities()
    assert {"Edith", "P-0042", "A-1001", "山田"} <= who
    logs = logs_below(tmp_path)
    assert len(logs) == 2
    assert not told(logs, who)


def call_as_somebody_else(gateway: GatewayProcess) -> None:
    ae = AE("STRANGER")
    ae.add_requested_context(Verification)
    assert ae.associate(gateway.node.host, gateway.node.port, ae_title="ANOTHER").is_rejected


def under_way(gateway: GatewayProcess) -> list[str]:
    states = [row["state"] for row in gateway.images()]
    return [state for state in states if state in ("received", "inferred")]


def history_of(gateway: GatewayProcess) -> Counter[tuple[str, str]]:
    """Return how often the database has each event of each image."""
    query = "SELECT event, sop_instance_uid FROM events JOIN instances ON instances.id = instance_id"
    with closing(sqlite3.connect(gateway.data_dir / "gateway.sqlite")) as database:
        return Counter(database.execute(query).fetchall())


def logged(gateway: GatewayProcess, names: set[str]) -> Counter[tuple[str, str]]:
    """Return how often the log has each of these events of each image."""
    text = (gateway.data_dir / "log" / "gateway.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return Counter((line["event"], line["sop_instance_uid"]) for line in lines if line["event"] in names)


def trail_of(gateway: GatewayProcess) -> list[bytes]:
    files = sorted((gateway.data_dir / "audit").glob("audit-*.log"))
    return [line for file in files for line in file.read_bytes().splitlines()]


def event_of(line: bytes) -> tuple[str, str | None, str]:
    event = etree.fromstring(line.partition(b"\xef\xbb\xbf")[2]).find("EventIdentification")
    kind = event.find("EventTypeCode")
    return (
        event.find("EventID").get("csd-code"),
        None if kind is None else kind.get("csd-code"),
        event.get("EventOutcomeIndicator"),
    )
