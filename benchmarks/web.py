"""WEB: response times of pages with 100,000 images in the ledger while images are received and answered.

Each page is requested over one connection, as by a browser. Browsers reload the first page every two seconds;
the other pages are opened by hand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from benchmarks.figure import Effort, Figure
from benchmarks.radiograph import write_radiographs
from benchmarks.sender import Sender
from gateway.store.database import make_database, open_engine
from gateway.store.migrate import upgrade
from gateway.store.schema import answers, deliveries, events, instances, results
from tests.support.gateway_process import GatewayProcess, running, wait_for

IMAGES = 100_000
AT_ONCE = 5_000
SECONDS_BETWEEN_IMAGES = 0.5
MODEL = {
    "device_uid": "2.25.7",
    "model_name": "CXR ResNet-50",
    "model_version": "1",
    "threshold": 0.5,
    "weights_sha256": "0" * 64,
    "negative": "Normal",
    "positive": "Pneumonia",
    "finding": "Pneumonia",
}


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Measure pages while images are received."""
    fill(root / "var", IMAGES)
    files = write_radiographs(root / "sent", max(20, effort.answered))
    with running(root, web={"enabled": True, "port": 0}) as gateway:
        url = wait_for(lambda: next((e["url"] for e in gateway.events("started") if "url" in e), None))
        with _receiving(gateway, files):
            figures = [
                Figure(f"{name}, 100,000 images, while receiving, p95", p95_ms(url + path, effort), "ms")
                for name, path in _pages().items()
            ]
        gateway.stop()
    return figures


def p95_ms(url: str, effort: Effort) -> float:
    """Return the 95th percentile of the time to a complete response, in ms."""
    durations = []
    with requests.Session() as session:
        session.get(url, timeout=30)  # the first one after a start reads the template
        for _ in range(max(40, 20 * effort.repeats)):
            start = time.perf_counter()
            answer = session.get(url, timeout=30)
            durations.append(1000 * (time.perf_counter() - start))
            assert answer.status_code == 200, answer.text
    return sorted(durations)[int(0.95 * len(durations))]


def fill(data_dir: Path, images: int) -> None:
    """Write answered and delivered images of the last year into a new ledger."""
    data_dir.mkdir(parents=True)
    make_database(data_dir / "gateway.sqlite")
    engine = open_engine(f"sqlite:///{data_dir / 'gateway.sqlite'}")
    upgrade(engine)
    for first in range(1, images + 1, AT_ONCE):
        rows = [_image(number, images) for number in range(first, min(first + AT_ONCE, images + 1))]
        with engine.begin() as connection:
            answered = [row for row in rows if row["label"]]
            connection.execute(sa.insert(instances), rows)
            connection.execute(sa.insert(answers), [_answer(row) for row in answered])
            connection.execute(sa.update(instances).where(_is_answered()).values(answer_id=instances.c.id))
            connection.execute(sa.insert(results), [_result(row) for row in answered])
            connection.execute(sa.insert(deliveries), [_delivery(row) for row in answered])
            connection.execute(sa.insert(events), [_event(row) for row in rows])
    engine.dispose()


@contextmanager
def _receiving(gateway: GatewayProcess, files: list[Path]) -> Iterator[None]:
    """Send images one after another, repeatedly, within the block."""
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            sender = Sender(gateway.node, SECONDS_BETWEEN_IMAGES, files[:10])
            sender.start(time.time())
            sender.acknowledged()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        wait_for(lambda: gateway.events("received"))
        yield
    finally:
        over.set()
        thread.join()


def _pages() -> dict[str, str]:
    rare = f"1.2.826.{IMAGES // 2}"
    return {
        "worklist": "/",
        "worklist, an old page": f"/?before={IMAGES // 3}",
        "search by UID": f"/?uid={rare}",
        "search by AE and answer": "/?ae=MODALITY7&label=Pneumonia",
        "search by reason": "/?reason=lateral",
        "search by date": f"/?until={datetime.now(UTC) - timedelta(days=200):%Y-%m-%d}",
        "dashboard": "/dashboard",
    }


def _image(number: int, images: int) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=365) * (1 - number / images)
    answered = number % 5 > 0
    return {
        "id": number,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1",
        "sop_instance_uid": f"1.2.826.{number}",
        "study_instance_uid": f"1.2.826.{number}.1",
        "series_instance_uid": f"1.2.826.{number}.2",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "calling_ae_title": f"MODALITY{number % 20}",
        "called_ae_title": "CXR_GATEWAY",
        "peer_address": "127.0.0.1",
        "sha256": f"{number:064x}",
        "size_bytes": 10_000_000,
        "path": f"spool/00/{number:064x}.dcm",
        "received_at": at,
        "state": "delivered" if answered else "ineligible",
        "state_at": at + timedelta(seconds=1),
        "reason": None if answered else ("lateral" if number % 1000 == 0 else "not_chest"),
        "label": (None, "Normal", "Normal", "Pneumonia", "Normal")[number % 5],
        "score": number % 97 / 97 if answered else None,
        "study_description": "Chest PA",
        "scanner": f"Maker Model {number % 5}",
        "brightness": number % 89 / 89,
        "contrast": 0.6,
        "file_deleted_at": at,
    }


def _is_answered() -> sa.ColumnElement[bool]:
    return instances.c.label.is_not(None) & instances.c.answer_id.is_(None)


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    told = {"id": row["id"], "instance_id": row["id"], "label": row["label"], "score": row["score"]}
    made = {"steps": ["a step in words"] * 5, "repaired": [], "activation": [[0.1234] * 7] * 7}
    return MODEL | told | made | {"created_at": row["state_at"]}


def _result(row: dict[str, Any]) -> dict[str, Any]:
    number = row["id"]
    return {
        "id": number,
        "instance_id": number,
        "answer_id": number,
        "kind": "sr",
        "media_type": "application/dicom",
        "name": f"2.25.{number}.dcm",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34",
        "sop_instance_uid": f"2.25.{number}",
        "path": f"results/00/2.25.{number}.dcm",
        "sha256": f"{number:064x}",
        "created_at": row["state_at"],
        "file_deleted_at": row["state_at"],
    }


def _delivery(row: dict[str, Any]) -> dict[str, Any]:
    times = dict.fromkeys(("state_at", "not_before", "begun_at"), row["state_at"])
    return times | {"result_id": row["id"], "destination": "outbox", "state": "stored", "open": False}


def _event(row: dict[str, Any]) -> dict[str, Any]:
    return {"instance_id": row["id"], "time": row["received_at"], "event": "received", "data": {}}
