"""`gateway export`: readers' feedback for research, without anything that leads back to a patient."""

from __future__ import annotations

import csv
import hashlib
import hmac
from typing import Any, TextIO

from gateway.store.queries.feedback import FeedbackQueries
from gateway.store.queries.views import FeedbackView

COLUMNS = (
    "image", "reader", "verdict", "read_on", "answer", "score", "threshold", "model_version",
    "scanner", "calling_ae_title",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of formulas, the full-width ones of East Asian spreadsheets included."""


def export(feedback: FeedbackQueries, file: TextIO, key: bytes, *, comments: bool = False) -> int:
    """Write each reader's last word on each image as CSV; return how many.

    UIDs and readers' names become keyed hashes, times become months. Comments are free text, which may say
    anything; they are left out unless asked for.
    """
    written = csv.writer(file)
    written.writerow([*COLUMNS, *(["comment"] if comments else [])])
    count = 0
    for row in feedback.standing():
        written.writerow(
            [harmless(value) for value in [*_values(row, key), *([row.comment] if comments else [])]]
        )
        count += 1
    return count


def _values(row: FeedbackView, key: bytes) -> list[Any]:
    score = row.score
    return [
        _pseudonym(row.sop_instance_uid, key),
        _pseudonym(row.reader, key),
        row.verdict,
        f"{row.time:%Y-%m}",
        row.label,
        "" if score is None else f"{score:.4f}",
        row.threshold,
        row.model_version,
        row.scanner,
        row.calling_ae_title,
    ]


def _pseudonym(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


def harmless(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula, whatever a peer has written; empty of None."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
