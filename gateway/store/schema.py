"""The ledger's tables, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.store.database import UTCDateTime

metadata = sa.MetaData()

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # a prefix is a range of its index

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("sop_class_uid", sa.String(64), nullable=False),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),
    sa.Column("study_instance_uid", sa.String(64), nullable=False),
    sa.Column("series_instance_uid", sa.String(64), nullable=False),
    sa.Column("transfer_syntax_uid", sa.String(64), nullable=False),
    sa.Column("calling_ae_title", sa.String(16), nullable=False),
    sa.Column("called_ae_title", sa.String(16), nullable=False),
    sa.Column("peer_address", sa.String(64), nullable=False),
    sa.Column("pulled_from", sa.String(64)),  # the source, where the gateway asked for it
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("path", sa.Text, nullable=False),  # under the data directory
    sa.Column("file_deleted_at", UTCDateTime),
    sa.Column("received_at", UTCDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_at", UTCDateTime, nullable=False),
    sa.Column("reason", sa.String(32)),
    sa.Column("detail", sa.Text),
    # claimed by a batch workflow, how often begun, how often it ended its process, not before when
    sa.Column("batch", sa.String(255)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UTCDateTime),
    # the standing answer that is shown; others may stand beside it
    sa.Column("answer_id", _Id, sa.ForeignKey("answers.id", use_alter=True, name="fk_instances_answer")),
    # copies of its label and score: SQLite and PostgreSQL have no index over two tables, and the worklist,
    # its filters and the dashboard read a million images from one index
    sa.Column("label", sa.String(64)),
    sa.Column("score", sa.Double),
    # for people: what it is called, what took it, and how its grey values lie (0–1)
    sa.Column("study_description", sa.String(64)),
    sa.Column("scanner", sa.String(129)),  # manufacturer and model
    sa.Column("brightness", sa.Double),
    sa.Column("contrast", sa.Double),
    sa.UniqueConstraint("sop_instance_uid", "sha256"),
    sa.Index("ix_instances_state", "state", "batch", "id"),
    sa.Index("ix_instances_study", "study_instance_uid"),
    # the worklist: each filter in the order of the list, with what is most often asked for beside it
    sa.Index("ix_instances_calling", "calling_ae_title", "id", "state", "reason", "label"),
    sa.Index("ix_instances_reason", "reason", "id"),
    sa.Index("ix_instances_label", "label", "id", "state"),
    sa.Index("ix_instances_state_id", "state", "id", "label", "reason"),
    sa.Index(
        "ix_instances_score",
        "score",
        "id",
        sqlite_where=sa.text("score IS NOT NULL"),
        postgresql_where=sa.text("score IS NOT NULL"),
    ),
    # retention: what still has its file, oldest first; deleted rows cost nothing
    sa.Index(
        "ix_instances_kept",
        "state",
        "state_at",
        sqlite_where=sa.text("file_deleted_at IS NULL"),
        postgresql_where=sa.text("file_deleted_at IS NULL"),
    ),
    # the dashboard's plots are read from this one alone
    sa.Index("ix_instances_received", "received_at", "scanner", "label", "score", "brightness", "contrast"),
)

answers = sa.Table(  # of one model to one image; all that an earlier version did not keep is null
    "answers",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False, index=True),
    sa.Column("device_uid", sa.String(64)),
    sa.Column("model_name", sa.Text),
    sa.Column("model_version", sa.Text),
    sa.Column("weights_sha256", sa.String(64)),
    sa.Column("threshold", sa.Double),
    sa.Column("calibration", sa.Text),
    sa.Column("abstention", sa.Text),  # the limits beyond which the model gives no answer
    sa.Column("site", sa.Text),  # to which a profile has fitted the model
    sa.Column("negative", sa.String(64), nullable=False),  # the model's classes
    sa.Column("positive", sa.String(64), nullable=False),
    sa.Column("finding", sa.String(64), nullable=False),  # in words
    sa.Column("label", sa.String(64), nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("abstained", sa.Text),  # why there is no score
    sa.Column("configuration", sa.String(64)),
    sa.Column("software_version", sa.Text),
    sa.Column("pixel_digest", sa.String(64)),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("superseded_at", UTCDateTime),  # by another answer; null while it stands
    sa.Column("steps", sa.JSON),
    sa.Column("repaired", sa.JSON),
    sa.Column("activation", sa.JSON),
    sa.Column("region", sa.JSON(none_as_null=True)),  # the part of the image that the classifier saw
    sa.Index("ix_answers_device", "device_uid", "id"),  # the first answers of a model
)

results = sa.Table(
    "results",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False, index=True),
    sa.Column("answer_id", _Id, sa.ForeignKey("answers.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("media_type", sa.String(128), nullable=False),
    sa.Column("name", sa.String(128), nullable=False, unique=True),  # of the file, here and at destinations
    # of a DICOM result
    sa.Column("sop_class_uid", sa.String(64)),
    sa.Column("sop_instance_uid", sa.String(64), unique=True),
    sa.Column("path", sa.Text, nullable=False),  # under the data directory
    sa.Column("file_deleted_at", UTCDateTime),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Index(
        "ix_results_kept",
        "created_at",
        "instance_id",
        sqlite_where=sa.text("file_deleted_at IS NULL"),
        postgresql_where=sa.text("file_deleted_at IS NULL"),
    ),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("result_id", _Id, sa.ForeignKey("results.id"), nullable=False),
    sa.Column("destination", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    sa.Column("state_at", UTCDateTime, nullable=False),
    # something is still to be done: to send it, or, once stored, to have its storage committed
    sa.Column("open", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("worker_id", sa.String(255)),  # of the worker that has it in hand
    sa.Column("not_before", UTCDateTime, nullable=False),
    sa.Column("begun_at", UTCDateTime, nullable=False),  # created, or retried by a person; then given up
    sa.Column("unsure", sa.Boolean, nullable=False, server_default=sa.false()),  # it may be there already
    sa.Column("transaction_uid", sa.String(64), index=True),  # of the last Storage Commitment request
    sa.Column("asked", sa.Integer, nullable=False, server_default="0"),  # so often for a commitment
    sa.UniqueConstraint("result_id", "destination"),
    sa.Index("ix_deliveries_due", "destination", "open", "worker_id", "not_before"),
    sa.Index("ix_deliveries_health", "destination", "state", "state_at"),
)

destinations = sa.Table(
    "destinations",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    # while it is away: how often in a row it was not reached, why, and when it is tried next
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("retry_at", UTCDateTime),
    sa.Column("hangs_since", UTCDateTime),  # a delivery is in hand that does not end
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), index=True),
    sa.Column("time", UTCDateTime, nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), nullable=False, index=True),
    sa.Column("answer_id", _Id, sa.ForeignKey("answers.id"), nullable=False, index=True),
    sa.Column("reader", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(8), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("time", UTCDateTime, nullable=False),
)

reader_reports = sa.Table(  # readers' words of which an SR is due, or has been made
    "reader_reports",
    metadata,
    sa.Column("feedback_id", _Id, sa.ForeignKey("feedback.id"), primary_key=True, autoincrement=False),
    sa.Column("due", sa.Boolean, nullable=False),
    sa.Column("result_id", _Id, sa.ForeignKey("results.id")),  # null also where none can be made
    sa.Index("ix_reader_reports_due", "due", "feedback_id"),
)

pseudonyms = sa.Table(  # which images are of one patient, by keyed hashes: see ADR 0146
    "pseudonyms",
    metadata,
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), primary_key=True, autoincrement=False),
    sa.Column("patient", sa.String(64), nullable=False),
    sa.Column("birth", sa.String(64), nullable=False),
    sa.Column("studied", sa.String(14), nullable=False),
    sa.Index("ix_pseudonyms_patient", "patient", "studied", "instance_id"),
)

patients = sa.Table(  # of images whose files are kept, where web.show_patient is set; else empty
    "patients",
    metadata,
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("patient_id", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("accession_number", sa.Text, nullable=False),
    sa.Column("sex", sa.String(1), nullable=False),
    sa.Column("age_years", sa.Double),
    sa.Column("study_date", sa.String(8), nullable=False),
    sa.Column("view", sa.Text, nullable=False),
    sa.Column("sorted_by", _Bytewise, nullable=False),  # the name as it is searched
    sa.Index("ix_patients_name", "sorted_by", "instance_id"),
    sa.Index("ix_patients_date", "study_date", "instance_id"),
)

patient_keys = sa.Table(  # each group of a name, the ID and the accession number as they are searched
    "patient_keys",
    metadata,
    sa.Column("key", _Bytewise, primary_key=True),
    sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), primary_key=True, autoincrement=False),
    sa.Index("ix_patient_keys_image", "instance_id"),
)

rejections = sa.Table(  # what rejection notes reference, also images that have not come yet
    "rejections",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),  # of the rejected image
    sa.Column("note_sop_instance_uid", sa.String(64), nullable=False),
    sa.Column("code", sa.String(16), nullable=False),  # the note's title in DCM
    sa.Column("title", sa.String(64), nullable=False),
    sa.Column("time", UTCDateTime, nullable=False),
    sa.UniqueConstraint("sop_instance_uid", "note_sop_instance_uid"),
)

timings = sa.Table(  # the last weeks' runs, each
    "timings",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("time", UTCDateTime, nullable=False),
    sa.Index("ix_timings_stage", "stage", "id"),
)

tallies = sa.Table(  # all runs before them, counted
    "tallies",
    metadata,
    sa.Column("stage", sa.String(16), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("last_timing", _Id, nullable=False),  # the number of the last one counted here
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker_id", sa.String(255), primary_key=True),
    sa.Column("beat_at", UTCDateTime, nullable=False),
    sa.Column("life", sa.String(255)),  # the process that has this name
    sa.Column("answering", sa.JSON),  # what its answers depend on: model, threshold, software
)

folders = sa.Table(  # of files; each holds a mark with this id, else it is not mounted
    "folders",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("mark", sa.String(36), nullable=False),
)

compatibility = sa.Table(  # one row: the oldest gateway that works on this schema; see store.migrate
    "compatibility",
    metadata,
    sa.Column("revision", sa.String(16), primary_key=True),
)

refusals = sa.Table(  # the last ones, equal ones counted; bounded by store.refusals
    "refusals",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("fingerprint", sa.String(64), nullable=False, unique=True),  # of what makes refusals equal
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("calling_ae_title", sa.String(64), nullable=False),
    sa.Column("called_ae_title", sa.String(64), nullable=False),
    sa.Column("peer_address", sa.String(64), nullable=False),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("first_at", UTCDateTime, nullable=False),
    sa.Column("last_at", UTCDateTime, nullable=False),
    sa.Index("ix_refusals_last", "last_at"),
    sa.Index("ix_refusals_image", "sop_instance_uid"),
    sa.Index("ix_refusals_peer", "peer_address"),
)

pulls = sa.Table(  # studies of sources, from the search to the last image
    "pulls",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("study_instance_uid", sa.String(64), nullable=False),
    # as the source told them last: another telling means that the study has changed
    sa.Column("study_date", sa.String(8), nullable=False),
    sa.Column("modalities", sa.JSON, nullable=False),
    sa.Column("told", sa.Integer),  # number of instances
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_at", UTCDateTime, nullable=False),
    sa.Column("found_at", UTCDateTime, nullable=False),
    sa.Column("listed_at", UTCDateTime),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UTCDateTime, nullable=False),
    sa.Column("detail", sa.Text),
    sa.UniqueConstraint("source", "study_instance_uid"),
    sa.Index("ix_pulls_due", "source", "state", "not_before"),
    sa.Index("ix_pulls_study", "study_instance_uid"),
)

pull_instances = sa.Table(  # what the source listed and the gateway wants, before it asked
    "pull_instances",
    metadata,
    sa.Column("pull_id", _Id, sa.ForeignKey("pulls.id"), primary_key=True, autoincrement=False),
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
    sa.Column("series_instance_uid", sa.String(64), nullable=False),
    sa.Column("sop_class_uid", sa.String(64), nullable=False),
    sa.Index("ix_pull_instances_uid", "sop_instance_uid"),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    # while it is away: how often in a row it was not reached, why, and when it is tried next
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("retry_at", UTCDateTime),
    sa.Column("searched", sa.JSON, nullable=False),  # by schedule: when which window was searched last
)

receivers = sa.Table(  # a lease for each receiver of all hosts; PostgreSQL alone has rows
    "receivers",
    metadata,
    sa.Column("host", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("places", sa.JSON, nullable=False),  # associations by the peer's address
    sa.Column("heard_at", UTCDateTime, nullable=False),
)
