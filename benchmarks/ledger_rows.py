"""Fills a SQLite ledger with any number of computed images, as a gateway has them after a year.

Of 100 images 75 are delivered, 20 ineligible, 5 failed; each answer has an SR and an SC at one of five
destinations. Half of the files are deleted, the others are due to be. The newest `LIVE` images wait for their
answer, and of those before them the results wait for delivery, whatever the number of images.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from gateway.store.database import make_database, open_engine
from gateway.store.migrate import upgrade

LIVE = 100
DESTINATIONS = tuple(f"pacs-{number}" for number in range(5))

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {images})"
_TIME = (
    "strftime('%Y-%m-%d %H:%M:%f000', 'now', printf('-%d seconds', ({images} - {i}) * 31536000 / {images}))"
)
_WAITS = "i > {images} - {live}"
_IS_ANSWERED = "NOT (i > {images} - {live}) AND i % 4 > 0"
_IS_OPEN = "i > {images} - 2 * {live}"

_STATEMENTS = (
    """
    INSERT INTO instances (
        id, sop_class_uid, sop_instance_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid,
        calling_ae_title, called_ae_title, peer_address, sha256, size_bytes, path, file_deleted_at,
        received_at, state, state_at, reason, label, score, study_description, scanner, brightness, contrast
    ) {numbers}
    SELECT i, '1.2.840.10008.5.1.4.1.1.1.1', '1.2.826.' || i, '1.2.826.1.' || (i / 2), '1.2.826.2.' || i,
        '1.2.840.10008.1.2.1', 'MODALITY' || (i % 20), 'CXR_GATEWAY', '127.0.0.1', printf('%064x', i),
        10000000, printf('spool/00/%064x.dcm', i), CASE WHEN i % 2 AND NOT {waits} THEN {time} END, {time},
        CASE WHEN {waits} THEN 'received' WHEN {is_open} AND {is_answered} THEN 'inferred'
            WHEN {is_answered} THEN 'delivered' WHEN i % 20 = 0 THEN 'failed' ELSE 'ineligible' END, {time},
        CASE WHEN {waits} OR {is_answered} THEN NULL WHEN i % 20 = 0 THEN 'undecodable'
            WHEN i % 1000 = 4 THEN 'lateral' ELSE 'not_chest' END,
        CASE WHEN {is_answered} THEN CASE WHEN i % 5 THEN 'Normal' ELSE 'Pneumonia' END END,
        CASE WHEN {is_answered} THEN (i % 97) / 97.0 END, 'Chest PA', 'Maker Model ' || (i % 5),
        (i % 89) / 89.0, 0.6
    FROM n
    """,
    """
    INSERT INTO answers (
        id, instance_id, device_uid, model_name, model_version, weights_sha256, threshold, negative, positive,
        finding, label, score, configuration, software_version, pixel_digest, created_at, steps, repaired,
        activation
    )
    SELECT id, id, '2.25.7', 'CXR ResNet-50', '1', printf('%064x', 0), 0.5, 'Normal', 'Pneumonia',
        'Pneumonia', label, score, printf('%064x', 1), '0.2.0', sha256, state_at, '["window"]', '[]',
        '[[0.1, 0.2], [0.3, 0.4]]'
    FROM instances WHERE label IS NOT NULL
    """,
    "UPDATE instances SET answer_id = id WHERE label IS NOT NULL",
    """
    INSERT INTO results (
        id, instance_id, answer_id, kind, media_type, name, sop_class_uid, sop_instance_uid, path,
        file_deleted_at, sha256, created_at
    )
    SELECT 2 * id + part, id, id, CASE part WHEN 0 THEN 'sr' ELSE 'sc' END, 'application/dicom',
        '2.25.' || (2 * id + part) || '.dcm', '1.2.840.10008.5.1.4.1.1.88.34', '2.25.' || (2 * id + part),
        'results/00/2.25.' || (2 * id + part) || '.dcm', file_deleted_at, sha256, state_at
    FROM instances, (SELECT 0 AS part UNION ALL SELECT 1) WHERE label IS NOT NULL
    """,
    """
    INSERT INTO deliveries (result_id, destination, state, state_at, open, not_before, begun_at)
    SELECT results.id, 'pacs-' || (instance_id % 5),
        CASE state WHEN 'inferred' THEN 'pending' ELSE 'stored' END,
        created_at, state = 'inferred', '1970-01-01 00:00:00.000000', created_at
    FROM results JOIN instances ON instances.id = instance_id
    """,
    """
    INSERT INTO events (instance_id, time, event, data)
    SELECT id, received_at, name, '{{}}'
    FROM instances, (SELECT 'received' AS name UNION ALL SELECT 'inferred' UNION ALL SELECT 'delivered')
    """,
    """
    INSERT INTO timings (stage, seconds, time)
    SELECT name, 0.1, received_at FROM instances, (SELECT 'receive' AS name UNION ALL SELECT 'answer')
    WHERE received_at > strftime('%Y-%m-%d', 'now', '-28 days')
    """,
)


def fill(data_dir: Path, images: int) -> Engine:
    """Write so many images into a new ledger; return its engine."""
    data_dir.mkdir(parents=True)
    make_database(data_dir / "gateway.sqlite")
    engine = open_engine(f"sqlite:///{data_dir / 'gateway.sqlite'}")
    upgrade(engine)
    conditions = {"waits": _WAITS, "is_answered": _IS_ANSWERED, "is_open": _IS_OPEN}
    numbers = {"images": images, "live": LIVE, "i": "i"}
    words = {name: f"({text.format(**numbers)})" for name, text in conditions.items()}
    words |= {"numbers": _NUMBERS.format(**numbers), "time": _TIME.format(**numbers)}
    with engine.begin() as connection:
        for statement in _STATEMENTS:
            connection.exec_driver_sql(statement.format(**words))
        for name in DESTINATIONS:
            connection.exec_driver_sql("INSERT INTO destinations (name) VALUES (?)", (name,))
    return engine
