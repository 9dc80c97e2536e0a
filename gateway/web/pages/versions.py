"""Which of the data sets received under one SOP Instance UID is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def standing(versions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the newest version that has an answer, else the newest."""
    return next((version for version in versions if version["answer"]), versions[0])
