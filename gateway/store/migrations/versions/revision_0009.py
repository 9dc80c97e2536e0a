"""An answer is a row; a delivery that a destination has is `stored`.

Every answer, standing or superseded, gets its row in `answers`; results and feedback point at it. Each step
is one statement: no row passes through Python, so that a million images are upgraded within minutes.

Earlier versions overwrote the record of a superseded answer. Its row is made from its results, from the event
that told its label and score, and from the feedback on it; the rest of the row stays empty.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.store.database import UTCDateTime

revision = "0009"
down_revision = "0008"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEPT = sa.text("file_deleted_at IS NULL")
_UNKNOWN = "Undetermined"
_LOST = "an earlier version of the gateway kept no record of this superseded answer"
_COPIES = ("label", "p_pneumonia", "threshold", "model_version", "device_uid")  # in each row of feedback


def upgrade() -> None:
    """Create `answers`, fill it, point at it, and drop what was copied."""
    answers = _create_answers()
    for table in ("instances", "results", "feedback"):
        op.add_column(table, sa.Column("answer_id", _Id))
    op.create_index("ix_results_answer_id", "results", ["answer_id"])
    op.create_index("ix_feedback_answer_id", "feedback", ["answer_id"])
    tables = sa.MetaData()
    tables.reflect(op.get_bind(), only=["instances", "results", "feedback", "events"])
    images, results, feedback = (tables.tables[name] for name in ("instances", "results", "feedback"))
    op.execute(_standing_answers(answers, images, results))
    op.execute(_answers_of_results(answers, results, tables.tables["events"]))
    op.execute(_point_results(answers, results))
    op.execute(_point_feedback(answers, feedback))
    op.execute(_answers_of_feedback(answers, feedback))
    op.execute(_point_rest_of_feedback(answers, feedback))
    op.execute(_complete(answers, feedback))
    op.execute(_point_images(answers, images))
    op.execute("UPDATE deliveries SET state = 'stored' WHERE state = 'delivered'")
    _drop_copies()


def _create_answers() -> sa.Table:
    created = op.create_table(
        "answers",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False),
        sa.Column("device_uid", sa.String(64)),
        sa.Column("model_name", sa.Text),
        sa.Column("model_version", sa.Text),
        sa.Column("weights_sha256", sa.String(64)),
        sa.Column("threshold", sa.Double),
        sa.Column("calibration", sa.Text),
        sa.Column("abstention", sa.Text),
        sa.Column("negative", sa.String(64), nullable=False),
        sa.Column("positive", sa.String(64), nullable=False),
        sa.Column("finding", sa.String(64), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("abstained", sa.Text),
        sa.Column("configuration", sa.String(64)),
        sa.Column("software_version", sa.Text),
        sa.Column("pixel_digest", sa.String(64)),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("superseded_at", UTCDateTime),
        sa.Column("steps", sa.JSON),
        sa.Column("repaired", sa.JSON),
        sa.Column("activation", sa.JSON),
    )
    op.create_index("ix_answers_instance_id", "answers", ["instance_id"])
    return created


def _insert(answers: sa.Table, rows: sa.Select[Any]) -> sa.Insert:
    """Return an INSERT of rows by the names of their columns; the classes are those of every model so far."""
    classes = {"negative": "Normal", "positive": "Pneumonia", "finding": "Pneumonia"}
    complete = rows.add_columns(*(sa.literal(value).label(name) for name, value in classes.items()))
    return sa.insert(answers).from_select([str(each.name) for each in complete.selected_columns], complete)


def _standing_answers(answers: sa.Table, images: sa.Table, results: sa.Table) -> sa.Insert:
    """Take them out of the images."""
    record: Any = images.c.answer
    model = record["model"]
    texts = ("device_uid", "weights_sha256", "calibration", "abstention")
    others = ("abstained", "configuration", "software_version")
    stands = (results.c.instance_id == images.c.id) & results.c.superseded_at.is_(None)
    first = sa.select(sa.func.min(results.c.created_at)).where(stands).scalar_subquery()
    rows = sa.select(
        images.c.id.label("instance_id"),
        *(model[name].as_string().label(name) for name in texts),
        model["name"].as_string().label("model_name"),
        model["version"].as_string().label("model_version"),
        model["threshold"].as_float().label("threshold"),
        images.c.label,
        images.c.p_pneumonia.label("score"),
        *(record[name].as_string().label(name) for name in others),
        images.c.pixel_digest,
        sa.func.coalesce(first, images.c.state_at).label("created_at"),
        *(record[name].label(name) for name in ("steps", "repaired", "activation")),
    )
    return _insert(answers, rows.where(images.c.label.is_not(None)).order_by(images.c.id))


def _answers_of_results(answers: sa.Table, results: sa.Table, events: sa.Table) -> sa.Insert:
    """Make one of all results of an image that were superseded at the same time."""
    group = (results.c.instance_id, results.c.superseded_at)
    made = sa.func.min(results.c.created_at).label("created_at")
    groups = sa.select(*group, made).group_by(*group).subquery()
    told = (
        sa.select(events.c.data)
        .where(events.c.instance_id == groups.c.instance_id, events.c.event == "inferred")
        .where(events.c.time <= groups.c.created_at)
        .order_by(events.c.id.desc())
        .limit(1)
    )
    known = sa.exists().where(
        answers.c.instance_id == groups.c.instance_id,
        answers.c.superseded_at.is_not_distinct_from(groups.c.superseded_at),
    )
    data: Any = events.c.data
    label = data["label"].as_string()
    rows = sa.select(
        groups.c.instance_id,
        sa.func.coalesce(_subquery(told, label), _UNKNOWN).label("label"),
        _subquery(told, data["p_pneumonia"].as_float()).label("score"),
        sa.case((_subquery(told, label).is_(None), _LOST)).label("abstained"),
        groups.c.created_at,
        groups.c.superseded_at,
    )
    return _insert(answers, rows.where(~known).order_by(groups.c.created_at))


def _subquery(rows: sa.Select[Any], column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return rows.with_only_columns(column).scalar_subquery()


def _point_results(answers: sa.Table, results: sa.Table) -> sa.Update:
    mine = sa.select(answers.c.id).where(
        answers.c.instance_id == results.c.instance_id,
        answers.c.superseded_at.is_not_distinct_from(results.c.superseded_at),
    )
    return sa.update(results).values(answer_id=mine.limit(1).scalar_subquery())


def _point_feedback(answers: sa.Table, feedback: sa.Table) -> sa.Update:
    """Point at the answer that stood when the reader spoke, where it agrees with the copy in the feedback."""
    mine = sa.select(answers.c.id).where(
        answers.c.instance_id == feedback.c.instance_id, answers.c.label == feedback.c.label
    )
    stood = mine.where(answers.c.created_at <= feedback.c.time, answers.c.superseded_at > feedback.c.time)
    stands = mine.where(
        answers.c.superseded_at.is_(None),
        answers.c.device_uid.is_not_distinct_from(feedback.c.device_uid),
        answers.c.threshold.is_not_distinct_from(feedback.c.threshold),
    )
    last = stood.order_by(answers.c.created_at.desc()).limit(1).scalar_subquery()
    return sa.update(feedback).values(answer_id=sa.func.coalesce(last, stands.limit(1).scalar_subquery()))


def _answers_of_feedback(answers: sa.Table, feedback: sa.Table) -> sa.Insert:
    """Make the answers of which nothing but the feedback on them is left."""
    copies = [feedback.c[name] for name in _COPIES if name not in ("label", "p_pneumonia")]
    rows = sa.select(
        feedback.c.instance_id,
        sa.func.coalesce(feedback.c.label, _UNKNOWN).label("label"),
        feedback.c.p_pneumonia.label("score"),
        *copies,
        sa.func.min(feedback.c.time).label("created_at"),
        sa.func.max(feedback.c.time).label("superseded_at"),
    )
    lost = rows.where(feedback.c.answer_id.is_(None))
    return _insert(answers, lost.group_by(feedback.c.instance_id, *(feedback.c[name] for name in _COPIES)))


def _point_rest_of_feedback(answers: sa.Table, feedback: sa.Table) -> sa.Update:
    mine = sa.select(answers.c.id).where(
        answers.c.instance_id == feedback.c.instance_id,
        answers.c.label == sa.func.coalesce(feedback.c.label, _UNKNOWN),
        answers.c.score.is_not_distinct_from(feedback.c.p_pneumonia),
        *(
            answers.c[name].is_not_distinct_from(feedback.c[name])
            for name in ("threshold", "model_version", "device_uid")
        ),
    )
    first = mine.order_by(answers.c.id).limit(1).scalar_subquery()
    return sa.update(feedback).where(feedback.c.answer_id.is_(None)).values(answer_id=first)


def _complete(answers: sa.Table, feedback: sa.Table) -> sa.Update:
    """Take the model of a superseded answer out of the feedback on it."""
    said = sa.select(feedback).where(feedback.c.answer_id == answers.c.id).order_by(feedback.c.id).limit(1)
    names = ("device_uid", "model_version", "threshold")
    values = {name: _subquery(said, feedback.c[name]) for name in names}
    judged = answers.c.id.in_(sa.select(feedback.c.answer_id))
    return sa.update(answers).where(answers.c.device_uid.is_(None), judged).values(values)


def _point_images(answers: sa.Table, images: sa.Table) -> sa.Update:
    mine = sa.select(answers.c.id).where(
        answers.c.instance_id == images.c.id, answers.c.superseded_at.is_(None)
    )
    first = mine.order_by(answers.c.id).limit(1)
    label = first.with_only_columns(answers.c.label).scalar_subquery()
    answered = images.c.id.in_(sa.select(answers.c.instance_id))
    return sa.update(images).where(answered).values(answer_id=first.scalar_subquery(), label=label)


def _drop_copies() -> None:
    """Drop what the answers hold now; the image keeps the label and score that its indexes need."""
    for table, name in (("instances", "received"), ("instances", "kept"), ("results", "kept")):
        op.drop_index(f"ix_{table}_{name}", table)
    with op.batch_alter_table("instances") as instances:
        instances.drop_column("answer")
        instances.drop_column("pixel_digest")
        instances.alter_column("p_pneumonia", new_column_name="score", existing_type=sa.Double)
        instances.alter_column("label", type_=sa.String(64), existing_type=sa.String(16))
        instances.create_foreign_key("fk_instances_answer", "answers", ["answer_id"], ["id"])
    with op.batch_alter_table("results") as results:
        results.drop_column("superseded_at")
        results.alter_column("answer_id", existing_type=_Id, nullable=False)
        results.create_foreign_key("fk_results_answer", "answers", ["answer_id"], ["id"])
    with op.batch_alter_table("feedback") as feedback:
        for name in _COPIES:
            feedback.drop_column(name)
        feedback.alter_column("answer_id", existing_type=_Id, nullable=False)
        feedback.create_foreign_key("fk_feedback_answer", "answers", ["answer_id"], ["id"])
    drift = ["received_at", "scanner", "label", "score", "brightness", "contrast"]
    op.create_index("ix_instances_received", "instances", drift)
    _index_kept("instances", ["state", "state_at"])
    _index_kept("results", ["created_at", "instance_id"])


def _index_kept(table: str, columns: list[str]) -> None:
    op.create_index(f"ix_{table}_kept", table, columns, sqlite_where=_KEPT, postgresql_where=_KEPT)
