"""Rows of `answers`: what each model said of an image, with its results and their deliveries.

The ledger calls it within the transaction that answers an image. An answer that was superseded and is given
again stands as it was, with the same row, results and deliveries: nothing is delivered twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import SR, Description
from gateway.store.clock import now
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
from gateway.store.session import IDENTITY, Session
from gateway.telemetry.events import Event


def supersede(connection: sa.Connection, instance_id: int) -> None:
    """Mark all answers to an image as superseded: others follow in this transaction."""
    standing = (answers.c.instance_id == instance_id) & answers.c.superseded_at.is_(None)
    connection.execute(sa.update(answers).where(standing).values(superseded_at=now()))


class Answered(NamedTuple):
    """An image with its answers, one of each model; the first one is shown, with the description."""

    image: StoredInstance
    given: Sequence[AnswerRecord]
    description: Description | None = None


class _New(NamedTuple):
    """A result of an answer; `answer_id` is the number of the answer's row."""

    image: ImageIdentity
    answer_id: int
    result: StoredResult


def record(session: Session, answered: Sequence[Answered], relative: Callable[[Path], str]) -> dict[int, int]:
    """Record answers, their results and what is to be delivered where: a few statements for a whole batch.

    Parameters
    ----------
    relative
        Turns a result's path into the one that is kept.

    Returns
    -------
    dict
        The number of the first answer of each image, by the number of the image.
    """
    connection = session.connection
    ids = _record_answers(connection, answered)
    made = [
        _New(image, ids[image.id][place], result)
        for image, given, _ in answered
        for place, answer in enumerate(given)
        for result in answer.results
    ]
    registered = _register(connection, made, relative)
    for image, given, _ in answered:
        for answer in given:
            _tell(session, image, answer, registered)
    return {image.id: ids[image.id][0] for image, *_ in answered}


def _record_answers(connection: sa.Connection, answered: Sequence[Answered]) -> dict[int, list[int]]:
    """Return the numbers of the answers of each image, in their order."""
    numbers: dict[tuple[int, int], int] = {}
    new: list[tuple[int, int]] = []
    rows = []
    for image, given, _ in answered:
        for place, answer in enumerate(given):
            standing = _stand_again(connection, image.id, answer) if image.was_answered else None
            if standing is not None:
                numbers[image.id, place] = standing
                continue
            new.append((image.id, place))
            rows.append({"instance_id": image.id, "created_at": now()} | _model(answer) | _content(answer))
    if rows:
        numbers |= zip(new, connection.scalars(_INSERT_ANSWERS, rows), strict=True)
    return {
        image.id: [numbers[image.id, place] for place in range(len(given))] for image, given, _ in answered
    }


def _register(
    connection: sa.Connection, made: Sequence[_New], relative: Callable[[Path], str]
) -> dict[str, int]:
    """Register results and their deliveries; return the numbers of those that are new, by name.

    One of an answer that stands again is there, written anew; its deliveries are, too.
    """
    registered = _insert_results(connection, [_result(each, relative(each.result.path)) for each in made])
    due: list[dict[str, Any]] = []
    for each in made:
        number = registered.get(each.result.path.name)
        destinations: Sequence[str] = each.result.destinations
        if number is None:
            this = {"known": each.result.path.name, "answer_id": each.answer_id, "file_deleted_at": None}
            number = connection.scalars(_WRITE_AGAIN, this).one()
            destinations = _not_yet(connection, number, each.result)
        due += _due(number, destinations)
    if due:
        connection.execute(_INSERT_DELIVERIES, due)
    return registered


def _insert_results(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Insert the results that are new; return their numbers by name."""
    if not rows:
        return {}
    insert = _INSERT_RESULTS[connection.dialect.name]
    return {row.name: row.id for row in connection.execute(insert, rows)}


def _tell(
    session: Session, image: StoredInstance, answer: AnswerRecord, registered: Mapping[str, int]
) -> None:
    score = None if answer.score is None else round(answer.score, 4)
    model = f"{answer.model.name} {answer.model.version}"
    session.tell(Event.INFERRED, image, label=answer.label, score=score, model=model)
    for result in answer.results:
        if result.path.name in registered:
            session.tell(Event.ENCODED, image, kind=result.kind, **named(result))


def twins(connection: sa.Connection, images: Sequence[tuple[StoredInstance, str]]) -> set[int]:
    """Return the numbers of those images of which the same picture under the same UID has its answer.

    Each image comes with the digest of its pixels.
    """
    rows = connection.execute(_SAME_UID, {"uids": [image.sop_instance_uid for image, _ in images]})
    answered: dict[tuple[str, str], set[int]] = {}
    for number, uid, digest in rows:
        answered.setdefault((uid, digest), set()).add(number)
    return {
        image.id
        for image, digest in images
        if answered.get((image.sop_instance_uid, digest), set()) - {image.id}
    }


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
    row = _result(_New(image, answer_id, result), path)
    number = _insert_results(session.connection, [row]).get(result.path.name)
    if number is None:
        raise ValueError(f"{result.path.name} is registered already")
    if due := _due(number, names):
        session.connection.execute(_INSERT_DELIVERIES, due)
    session.tell(Event.ENCODED, image, kind=result.kind, **named(result))
    return number


def _result(new: _New, path: str) -> dict[str, Any]:
    result = new.result
    return {
        "instance_id": new.image.id,
        "answer_id": new.answer_id,
        "kind": result.kind,
        "media_type": result.media_type,
        "name": result.path.name,
        "sop_class_uid": result.sop_class_uid,
        "sop_instance_uid": result.sop_instance_uid,
        "path": path,
        "sha256": result.sha256,
        "created_at": now(),
    }


def _not_yet(connection: sa.Connection, result_id: int, result: StoredResult) -> list[str]:
    """Return the destinations of a known result that have no delivery of it."""
    query = sa.select(deliveries.c.destination).where(deliveries.c.result_id == result_id)
    known = set(connection.scalars(query))
    return [destination for destination in result.destinations if destination not in known]


def _due(result_id: int, destinations: Sequence[str]) -> list[dict[str, Any]]:
    times = {"state_at": now(), "begun_at": now(), "not_before": AT_ONCE}
    new = {"result_id": result_id, "state": DeliveryState.PENDING} | times
    return [new | {"destination": each} for each in destinations]


# built once: to build a statement takes longer than to execute it, and other writers wait meanwhile
_INSERT_ANSWERS = sa.insert(answers).returning(answers.c.id, sort_by_parameter_order=True)
_INSERT_RESULTS = {
    dialect: insert(results)
    .on_conflict_do_nothing(index_elements=["name"])
    .returning(results.c.id, results.c.name)
    for dialect, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}
_INSERT_DELIVERIES = sa.insert(deliveries).inline()
_WRITE_AGAIN = sa.update(results).where(results.c.name == sa.bindparam("known")).returning(results.c.id)
_SAME_UID = (
    sa.select(instances.c.id, instances.c.sop_instance_uid, answers.c.pixel_digest)
    .join(answers, answers.c.id == instances.c.answer_id)
    .where(instances.c.sop_instance_uid.in_(sa.bindparam("uids", expanding=True)))
)
