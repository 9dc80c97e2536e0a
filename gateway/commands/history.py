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
    yield f"from       {instance['calling_ae_title']} at {local(instance['received_at'])}"
    gone = _deleted(instance["source_deleted_at"])
    yield f"file       {instance['source']} ({instance['size_bytes']:,} bytes){gone}"
    yield f"state      {instance['state']} since {local(instance['state_at'])}"
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
    return f", deleted at {local(time)}" if time else ""


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
        told = {
            key: value for key, value in event.items() if key not in ("time", "event") and value is not None
        }
        data = " ".join(f"{key}={shown(value)}" for key, value in told.items())
        yield f"{event['time'].astimezone():%H:%M:%S.%f}"[:12] + f"  {event['event']:<16} {data}"


def shown(value: Any) -> Any:
    """Return a value of an event as a person reads it: numbers with four digits."""
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def refusal_of(row: dict[str, Any]) -> str:
    """Return one refusal as a line, for `gateway refusals` and `gateway show`."""
    status = f" {row['status']}" if row["status"] else ""
    times = f", {row['times']} times since {local(row['first_at'])}" if row["times"] > 1 else ""
    image = f" {row['sop_instance_uid']}" if row["sop_instance_uid"] else ""
    who = f"{row['calling_ae_title'] or '?'}@{row['peer_address'] or '?'}"
    what = row["event"].replace("_", " ")
    return f"{local(row['last_at'])}  {what}{status}  {who}{image}: {row['reason']}{times}"


def local(time: datetime) -> str:
    """Return a time as this machine's clock shows it, with its zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S %Z}"
