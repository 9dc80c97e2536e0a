"""An image as a JSON document: the API, the download and `gateway show --json` give the same one.

Its keys are a contract with programs: keys are added, none goes or changes its meaning.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gateway.store.queries.views import AnswerView, EventView, ImageRow, ImageView

_ROW = (
    "sop_instance_uid",
    "study_instance_uid",
    "sop_class_uid",
    "calling_ae_title",
    "received_at",
    "state",
    "state_at",
    "reason",
    "detail",
    "label",
    "score",
    "probabilities",
)


def row_document(image: ImageRow) -> dict[str, Any]:
    """Return an image as lists have it."""
    return {name: getattr(image, name) for name in _ROW}


def image_document(image: ImageView) -> dict[str, Any]:
    """Return an image with everything that is known of it."""
    answer = image.answer
    return row_document(image) | {
        "id": image.id,
        "study_description": image.study_description,
        "scanner": image.scanner,
        "size_bytes": image.size_bytes,
        "transfer_syntax_uid": image.transfer_syntax_uid,
        "pulled_from": image.pulled_from,
        "source": str(image.source),
        "source_deleted_at": image.source_deleted_at,
        "answer": _answer(answer) if answer else None,
        "answers": [_told(each) for each in image.answers],
        "results": [asdict(each) | {"path": str(each.path)} for each in image.results],
        "deliveries": [asdict(each) for each in image.deliveries],
        "events": [_event(each) for each in image.events],
    }


def _answer(answer: AnswerView) -> dict[str, Any]:
    names = ("id", "configuration", "software_version", "abstained", "created_at")
    lists = {name: list(getattr(answer, name)) for name in ("steps", "repaired", "activation")}
    values = {name: getattr(answer, name) for name in names}
    return {"model": asdict(answer.model)} | values | lists | {"region": answer.region}


def _told(answer: AnswerView) -> dict[str, Any]:
    """Return an answer in short; those of other models and superseded ones are told so."""
    return {
        "id": answer.id,
        "model": asdict(answer.model),
        "label": answer.label,
        "score": answer.score,
        "abstained": answer.abstained,
        "created_at": answer.created_at,
        "superseded_at": answer.superseded_at,
    }


def _event(event: EventView) -> dict[str, Any]:
    return {"time": event.time, "event": event.event, **event.data}
