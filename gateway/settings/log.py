"""The section `log`."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section


class Log(Section):
    """Rotation of `log/gateway.jsonl`: at most this file and `keep_files` older ones exist."""

    file_mb: float = Field(64, gt=0)
    """Size in MB at which the log file is renamed; a file is also renamed after a day."""
    keep_files: int = Field(15, ge=0)
    """Number of renamed files that are kept."""
    keep_days: float | None = Field(90, gt=0)
    """Days that renamed files are kept; null: however old."""
