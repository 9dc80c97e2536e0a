"""History of an image with its reasons: the queries of report, API, `gateway list` and `gateway show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, State
from gateway.store.entries import DeliveryState
from gateway.store.ledger import Ledger
from gateway.store.outbox import waiting_destinations
from gateway.store.queries.views import (
    AnswerView,
    DeliveryView,
    EventView,
    ImageRow,
    ImageView,
    ModelView,
    ResultView,
    SourceFile,
)
from gateway.store.schema import answers, deliveries, destinations, events, instances, results
from gateway.telemetry.events import Event

BEGINNINGS = (Event.RETRIED, Event.RESENT, Event.REPROCESSED)
"""Events by which a person lets an image begin anew."""

ROW = (
    instances.c.id,
    instances.c.sop_class_uid,
    instances.c.sop_instance_uid,
    instances.c.study_instance_uid,
    instances.c.calling_ae_title,
    instances.c.received_at,
    instances.c.state,
    instances.c.state_at,
    instances.c.reason,
    instances.c.detail,
    instances.c.label,
    instances.c.score,
    instances.c.study_description,
    instances.c.scanner,
    answers.c.negative,
    answers.c.positive,
)
BEGUN_AT = (
    sa.select(sa.func.max(events.c.time))
    .where(events.c.instance_id == instances.c.id, events.c.event.in_(BEGINNINGS))
    .correlate(instances)
    .scalar_subquery()
    .label("begun_at")
)
ANSWERED = instances.outerjoin(answers, answers.c.id == instances.c.answer_id)


class Images:
    """Read-only questions. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def newest(
        self, *, limit: int = 50, state: str | None = None, study_instance_uid: str | None = None
    ) -> list[ImageRow]:
        """Return the newest images first."""
        query = sa.select(*ROW, BEGUN_AT).select_from(ANSWERED).order_by(instances.c.id.desc()).limit(limit)
        if state:
            query = query.where(instances.c.state == state)
        if study_instance_uid:
            query = query.where(instances.c.study_instance_uid == study_instance_uid)
        with self._ledger.transaction() as connection:
            return [ImageRow(**row_values(row)) for row in connection.execute(query).mappings()]

    def states(self) -> dict[str, int]:
        """Return how many images stand in each state."""
        query = sa.select(instances.c.state, sa.func.count()).group_by(instances.c.state)
        with self._ledger.transaction() as connection:
            return {str(state): count for state, count in connection.execute(query)}

    def away(self) -> list[tuple[str, str]]:
        """Return the destinations that were not reached at the last attempt, and why."""
        query = sa.select(destinations.c.name, destinations.c.error).where(destinations.c.failures > 0)
        with self._ledger.transaction() as connection:
            return [
                (name, error or "") for name, error in connection.execute(query.order_by(destinations.c.name))
            ]

    def hanging(self) -> list[tuple[str, datetime]]:
        """Return the destinations at which a delivery does not end, and since when."""
        query = sa.select(destinations.c.name, destinations.c.hangs_since)
        query = query.where(destinations.c.hangs_since.is_not(None)).order_by(destinations.c.name)
        with self._ledger.transaction() as connection:
            return [(name, since) for name, since in connection.execute(query)]

    def unrouted(self) -> dict[str, int]:
        """Return how many answers wait for a route, by calling AE title."""
        query = sa.select(instances.c.calling_ae_title, sa.func.count())
        query = query.where(instances.c.reason == Reason.NOT_ROUTED).group_by(instances.c.calling_ae_title)
        with self._ledger.transaction() as connection:
            return {str(title): count for title, count in connection.execute(query)}

    def waiting(self) -> list[str]:
        """Return the destinations for which results wait."""
        with self._ledger.transaction() as connection:
            return waiting_destinations(connection)

    def versions(self, sop_instance_uid: str) -> list[ImageView]:
        """Return every data set received under this UID, the newest first."""
        query = sa.select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)
        with self._ledger.transaction() as connection:
            rows = connection.execute(query.order_by(instances.c.id.desc())).all()
            return [self._view(connection, row) for row in rows]

    def answered(self, chosen: sa.ColumnElement[bool]) -> list[str]:
        """Return the SOP Instance UIDs of the chosen images that have an answer, the oldest first."""
        query = sa.select(instances.c.sop_instance_uid).where(chosen, instances.c.answer_id.is_not(None))
        with self._ledger.transaction() as connection:
            return list(dict.fromkeys(connection.scalars(query.order_by(instances.c.received_at))))

    def shown(self, sop_instance_uid: str) -> ImageView | None:
        """Return the newest data set under this UID that has an answer, else the newest; None of none."""
        return shown_of(self.versions(sop_instance_uid))

    def source_of(self, sop_instance_uid: str, number: int | None = None) -> SourceFile | None:
        """Return the file of one version, else of the one with an answer, else of the newest."""
        columns = instances.c.path, instances.c.file_deleted_at
        versions = sa.select(*columns).where(instances.c.sop_instance_uid == sop_instance_uid)
        if number is not None:
            versions = versions.where(instances.c.id == number)
        best = versions.order_by(instances.c.answer_id.is_(None), instances.c.id.desc()).limit(1)
        with self._ledger.transaction() as connection:
            row = connection.execute(best).first()
        return SourceFile(self._ledger.absolute(row.path), row.file_deleted_at) if row else None

    def complete(self, ids: Sequence[int]) -> list[ImageView]:
        """Return the images with these row numbers, in this order."""
        with self._ledger.transaction() as connection:
            rows = connection.execute(sa.select(instances).where(instances.c.id.in_(ids)))
            found = {row.id: row for row in rows}
            return [self._view(connection, found[number]) for number in ids if number in found]

    def _view(self, connection: sa.Connection, row: sa.Row[Any]) -> ImageView:
        given = _answers(connection, row.id)
        answer = next((each for each in given if each.id == row.answer_id), None)
        happened = _events(connection, row.id)
        return ImageView(
            **row_values(row._mapping, [column.name for column in ROW if column.table is instances]),
            negative=answer.model.negative if answer else None,
            positive=answer.model.positive if answer else None,
            series_instance_uid=row.series_instance_uid,
            transfer_syntax_uid=row.transfer_syntax_uid,
            size_bytes=row.size_bytes,
            source=self._ledger.absolute(row.path),
            source_deleted_at=row.file_deleted_at,
            pulled_from=row.pulled_from,
            answer=answer,
            answers=given,
            results=self._results(connection, row.id),
            deliveries=_deliveries(connection, row.id),
            begun_at=max((each.time for each in happened if each.event in BEGINNINGS), default=None),
            events=happened,
        )

    def _results(self, connection: sa.Connection, instance_id: int) -> tuple[ResultView, ...]:
        query = (
            sa.select(
                results.c.answer_id,
                results.c.kind,
                results.c.media_type,
                results.c.name,
                results.c.sop_instance_uid,
                results.c.path,
                results.c.file_deleted_at.label("deleted_at"),
                answers.c.superseded_at,
            )
            .join(answers, answers.c.id == results.c.answer_id)
            .where(results.c.instance_id == instance_id)
            .order_by(results.c.id)
        )
        rows = connection.execute(query).mappings()
        return tuple(ResultView(**{**row, "path": self._ledger.absolute(row["path"])}) for row in rows)


def shown_of(versions: Sequence[ImageView]) -> ImageView | None:
    """Return the newest version that has an answer, else the newest; None of none."""
    return next((each for each in versions if each.answer), versions[0] if versions else None)


def row_values(row: sa.RowMapping, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the values of a row by name, its state as a `State`."""
    wanted = {name: row[name] for name in (row if names is None else names)}
    return wanted | {"state": State(wanted["state"])}


def _answers(connection: sa.Connection, instance_id: int) -> tuple[AnswerView, ...]:
    query = sa.select(answers).where(answers.c.instance_id == instance_id).order_by(answers.c.id)
    return tuple(_answer(row) for row in connection.execute(query))


def _answer(row: sa.Row[Any]) -> AnswerView:
    model = ModelView(
        name=row.model_name,
        version=row.model_version,
        weights_sha256=row.weights_sha256,
        threshold=row.threshold,
        calibration=row.calibration,
        abstention=row.abstention,
        device_uid=row.device_uid,
        negative=row.negative,
        positive=row.positive,
        finding=row.finding,
        site=row.site,
    )
    return AnswerView(
        id=row.id,
        model=model,
        label=row.label,
        score=row.score,
        abstained=row.abstained,
        configuration=row.configuration,
        software_version=row.software_version,
        created_at=row.created_at,
        superseded_at=row.superseded_at,
        steps=tuple(row.steps or ()),
        repaired=tuple(row.repaired or ()),
        activation=tuple(tuple(line) for line in row.activation or ()),
        region=row.region,
    )


def _deliveries(connection: sa.Connection, instance_id: int) -> tuple[DeliveryView, ...]:
    away = sa.case((deliveries.c.open, destinations.c.error))  # this delivery waits untried
    query = (
        sa.select(
            deliveries.c.destination,
            results.c.kind,
            deliveries.c.state,
            deliveries.c.attempts,
            sa.func.coalesce(deliveries.c.last_error, away),
            deliveries.c.state_at,
            answers.c.superseded_at,
        )
        .join(results, results.c.id == deliveries.c.result_id)
        .join(answers, answers.c.id == results.c.answer_id)
        .outerjoin(destinations, destinations.c.name == deliveries.c.destination)
        .where(results.c.instance_id == instance_id)
        .order_by(deliveries.c.id)
    )
    return tuple(
        DeliveryView(destination, kind, DeliveryState(state), *rest)
        for destination, kind, state, *rest in connection.execute(query)
    )


def _events(connection: sa.Connection, instance_id: int) -> tuple[EventView, ...]:
    query = sa.select(events.c.time, events.c.event, events.c.data).where(events.c.instance_id == instance_id)
    return tuple(EventView(*row) for row in connection.execute(query.order_by(events.c.id)))
