"""Rows of `answers`: what each model said of an image, with its results and their deliveries.

The ledger calls it within the transaction that answers an image. An answer that was superseded and is given
again stands as it was, with the same row, results and deliveries: nothing is delivered twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import SR
from gateway.store.entries import (
    AT_ONCE,
    AnswerRecord,
    DeliveryState,
    EarlierReport,
    ImageIdentity,
    StoredInstance,
    StoredResult,
    named,
)
from gateway.store.schema import answers, deliveries, instances, results
from gateway.store.session import IDENTITY, Session, now
from gateway.telemetry.events import Event


def supersede(connection: sa.Connection, instance_id: int) -> None:
    """Mark all answers to an image as superseded: others follow in this transaction."""
    standing = (answers.c.instance_id == instance_id) & answers.c.superseded_at.is_(None)
    connection.execute(sa.update(answers).where(standing).values(superseded_at=now()))


def record_answer(
    session: Session, instance: StoredInstance, answer: AnswerRecord, relative: Callable[[Path], str]
) -> int:
    """Record an answer, its results and what is to be delivered where; return the answer's number.

    `relative` turns a result's path into the one that is kept.
    """
    score = None if answer.score is None else round(answer.score, 4)
    model = f"{answer.model.name} {answer.model.version}"
    session.tell(Event.INFERRED, instance, label=answer.label, score=score, model=model)
    connection = session.connection
    standing = _stand_again(connection, instance.id, answer) if instance.was_answered else None
    answer_id = standing or _insert(connection, instance.id, answer)
    for result in answer.results:
        _record_result(session, instance, answer_id, result, relative(result.path))
    return answer_id


def has_twin(connection: sa.Connection, instance: StoredInstance, pixel_digest: str) -> bool:
    """Tell whether the same picture under the same UID already has its answer."""
    this = {"uid": instance.sop_instance_uid, "image": instance.id, "digest": pixel_digest}
    return connection.scalars(_TWIN, this).first() is not None


def answered_twins(connection: sa.Connection, instance: StoredInstance) -> list[ImageIdentity]:
    """Return the other data sets under the same UID that have an answer."""
    query = sa.select(*IDENTITY).where(
        instances.c.sop_instance_uid == instance.sop_instance_uid,
        instances.c.id != instance.id,
        instances.c.answer_id.is_not(None),
    )
    return [ImageIdentity(*row) for row in connection.execute(query.order_by(instances.c.id))]


def standing_reports(
    connection: sa.Connection, instance_ids: Sequence[int]
) -> dict[int, tuple[EarlierReport, ...]]:
    """Return the SRs of images that are answered again, by image."""
    if not instance_ids:
        return {}
    query = (
        sa.select(
            results.c.instance_id, answers.c.model_name, results.c.sop_class_uid, results.c.sop_instance_uid
        )
        .join(answers, answers.c.id == results.c.answer_id)
        .where(
            results.c.instance_id.in_(instance_ids),
            results.c.kind == SR,
            answers.c.superseded_at.is_(None),
        )
        .order_by(answers.c.id)
    )
    found: dict[int, tuple[EarlierReport, ...]] = {}
    for instance_id, *report in connection.execute(query):
        found[instance_id] = (*found.get(instance_id, ()), EarlierReport(*report))
    return found


def _stand_again(connection: sa.Connection, instance_id: int, answer: AnswerRecord) -> int | None:
    this = {
        answers.c.instance_id: instance_id,
        answers.c.device_uid: answer.model.device_uid,
        answers.c.configuration: answer.configuration,
        answers.c.pixel_digest: answer.pixel_digest,
    }
    values = {"superseded_at": None, "label": answer.label, "score": answer.score}
    same = sa.update(answers).where(*(column == value for column, value in this.items()))
    return connection.scalars(same.values(values).returning(answers.c.id)).first()


def _insert(connection: sa.Connection, instance_id: int, answer: AnswerRecord) -> int:
    row = {"instance_id": instance_id, "created_at": now()} | _model(answer) | _content(answer)
    return int(connection.execute(_INSERT_ANSWER, row).scalar_one())


def _model(answer: AnswerRecord) -> dict[str, Any]:
    model = answer.model
    return {
        "device_uid": model.device_uid,
        "model_name": model.name,
        "model_version": model.version,
        "weights_sha256": model.weights_sha256,
        "threshold": model.threshold,
        "calibration": model.calibration,
        "abstention": model.abstention,
        "site": str(model.site) if model.site else None,
        "negative": model.negative,
        "positive": model.positive,
        "finding": model.finding.meaning,
    }


def _content(answer: AnswerRecord) -> dict[str, Any]:
    names = ("label", "score", "abstained", "configuration", "software_version", "pixel_digest", "region")
    lists = {name: list(getattr(answer, name)) for name in ("steps", "repaired", "activation")}
    return {name: getattr(answer, name) for name in names} | lists


def _record_result(
    session: Session, instance: StoredInstance, answer_id: int, result: StoredResult, path: str
) -> None:
    """Register a result and its deliveries; one of an answer that stands again is there, written anew."""
    connection = session.connection
    if _register_if_new(session, instance, answer_id, result, path, result.destinations) is None:
        this = {"known": result.path.name, "answer_id": answer_id, "file_deleted_at": None}
        known = connection.scalars(_WRITE_AGAIN, this).one()
        _record_deliveries(connection, known, _not_yet(connection, known, result))


def register(
    session: Session,
    image: ImageIdentity,
    answer_id: int,
    result: StoredResult,
    path: str,
    names: Sequence[str],
) -> int:
    """Register a result of an answer, due at these destinations; return its number.

    Parameters
    ----------
    path
        Of the file, as the ledger keeps it.

    Raises
    ------
    ValueError
        If a result of that name is registered.
    """
    number = _register_if_new(session, image, answer_id, result, path, names)
    if number is None:
        raise ValueError(f"{result.path.name} is registered already")
    return number


def _register_if_new(
    session: Session,
    image: ImageIdentity,
    answer_id: int,
    result: StoredResult,
    path: str,
    names: Sequence[str],
) -> int | None:
    row = {
        "instance_id": image.id,
        "answer_id": answer_id,
        "kind": result.kind,
        "media_type": result.media_type,
        "name": result.path.name,
        "sop_class_uid": result.sop_class_uid,
        "sop_instance_uid": result.sop_instance_uid,
        "path": path,
        "sha256": result.sha256,
        "created_at": now(),
    }
    insert = _INSERT_RESULT[session.connection.dialect.name]
    number: int | None = session.connection.execute(insert, row).scalar_one_or_none()
    if number is None:
        return None
    _record_deliveries(session.connection, number, names)
    session.tell(Event.ENCODED, image, kind=result.kind, **named(result))
    return number


def _not_yet(connection: sa.Connection, result_id: int, result: StoredResult) -> list[str]:
    """Return the destinations of a known result that have no delivery of it."""
    query = sa.select(deliveries.c.destination).where(deliveries.c.result_id == result_id)
    known = set(connection.scalars(query))
    return [destination for destination in result.destinations if destination not in known]


def _record_deliveries(connection: sa.Connection, result_id: int, destinations: Sequence[str]) -> None:
    times = {"state_at": now(), "begun_at": now(), "not_before": AT_ONCE}
    new = {"result_id": result_id, "state": DeliveryState.PENDING} | times
    if destinations:
        connection.execute(_INSERT_DELIVERIES, [new | {"destination": each} for each in destinations])


# built once: to build a statement takes longer than to execute it, and other writers wait meanwhile
_INSERT_ANSWER = sa.insert(answers).returning(answers.c.id)
_INSERT_RESULT = {
    dialect: insert(results).on_conflict_do_nothing(index_elements=["name"]).returning(results.c.id)
    for dialect, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}
_INSERT_DELIVERIES = sa.insert(deliveries).inline()
_WRITE_AGAIN = sa.update(results).where(results.c.name == sa.bindparam("known")).returning(results.c.id)
_TWIN = (
    sa.select(instances.c.id)
    .join(answers, answers.c.id == instances.c.answer_id)
    .where(
        instances.c.sop_instance_uid == sa.bindparam("uid"),
        instances.c.id != sa.bindparam("image"),
        answers.c.pixel_digest == sa.bindparam("digest"),
    )
    .limit(1)
)
