"""The section `select`: which images are eligible."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section


class Selection(Section):
    """Eligibility beyond the frontal-chest rules."""

    secondary_capture: bool = False
    """Also answer radiographs that were converted to Secondary Capture."""
    min_age_years: float | None = Field(1, ge=0)
    """Youngest patient in years; null: no limit. The shipped model never saw a younger patient."""
    max_age_years: float | None = Field(None, ge=0)
    """Oldest patient in years; null: no limit."""
    max_megapixels: float = Field(100, gt=0, le=1000)
    """Largest image in megapixels, up to 1000; larger images fail as too_large, undecoded. The memory of
    processes that decode depends on it."""
