"""The section `retention`: when files are deleted."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section


class Retention(Section):
    """For how many days after its end the files of an image are kept; null keeps them."""

    received_days: float | None = Field(30, ge=0)
    """Days that received images are kept after their results were delivered or no answer was due; null: for
    ever."""
    results_days: float | None = Field(30, ge=0)
    """Days that SR and SC are kept after their delivery; null: for ever."""
    failed_days: float | None = Field(90, ge=0)
    """Days that files of failed images are kept; null: for ever. Images that ended as not_routed stay."""
    max_disk_gb: float | None = Field(None, ge=0)
    """Size of all kept files in GB beyond which the files of the oldest finished images are deleted, whatever
    their age; files of failed images stay. null: no limit."""
    every_minutes: float = Field(10, gt=0)
    """Minutes between two runs of retention."""
