"""An image's history as text, for `gateway show`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.peer_text import clean

LONGEST_LINE = 10_000


def account_of(instance: dict[str, Any]) -> str:
    """Return the lines that answer: what happened to this image, and why; safe for a terminal."""
    lines = [*_head(instance), *_answer(instance), *_results(instance), *_events(instance), ""]
    return "\n".join(clean(line, LONGEST_LINE) for line in lines)


def _head(instance: dict[str, Any]) -> Iterator[str]:
    yield f"image      {instance['sop_instance_uid']}"
    yield f"study      {instance['study_instance_uid']}"
    yield f"from       {instance['calling_ae_title']} at {instance['received_at']:%Y-%m-%d %H:%M:%S} UTC"
    gone = _deleted(instance["source_deleted_at"])
    yield f"file       {instance['source']} ({instance['size_bytes']:,} bytes){gone}"
    yield f"state      {instance['state']} since {instance['state_at']:%Y-%m-%d %H:%M:%S} UTC"
    if instance["reason"]:
        yield f"reason     {instance['reason']}: {instance['detail']}"


def _answer(instance: dict[str, Any]) -> Iterator[str]:
    record = instance["answer"]
    if not record:
        return
    yield f"answer     {instance['label']}{_score(instance)}"
    if record["abstained"]:
        yield f"           {record['abstained']}"
    model = record["model"]
    yield f"model      {model['name']} {model['version']}, weights {model['weights_sha256'][:16]}…"
    if record["repaired"]:
        yield f"repaired   left empty, since malformed in the image: {', '.join(record['repaired'])}"
    yield from (f"{'pixels' if n == 0 else '':<10} {step}" for n, step in enumerate(record["steps"]))


def _score(instance: dict[str, Any]) -> str:
    if not instance["probabilities"]:
        return ""
    threshold = instance["answer"]["model"]["threshold"]
    return f", P(pneumonia) {instance['probabilities']['Pneumonia']:.3f}, threshold {threshold:g}"


def _deleted(time: datetime | None) -> str:
    return f", deleted at {time:%Y-%m-%d %H:%M:%S} UTC" if time else ""


def _results(instance: dict[str, Any]) -> Iterator[str]:
    for result in instance["results"]:
        earlier = " (superseded)" if result["superseded_at"] else ""
        yield f"{result['kind'].upper():<10} {result['path']}{earlier}{_deleted(result['deleted_at'])}"
    for delivery in instance["deliveries"]:
        error = f": {delivery['last_error']}" if delivery["last_error"] else ""
        tries = f"{delivery['attempts']} attempt{'' if delivery['attempts'] == 1 else 's'}"
        what = f"{delivery['kind'].upper()} to {delivery['destination']}"
        yield f"delivery   {what}: {delivery['state']}, {tries}{error}"


def _events(instance: dict[str, Any]) -> Iterator[str]:
    for event in instance["events"]:
        data = " ".join(f"{k}={v}" for k, v in event.items() if k not in ("time", "event") and v is not None)
        yield f"{event['time']:%H:%M:%S.%f}"[:12] + f"  {event['event']:<16} {data}"
