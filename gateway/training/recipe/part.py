"""A part of a recipe: frozen, without unknown keys, and with finite numbers alone."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Class = Literal["Normal", "Pneumonia"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _with_group(pattern: str) -> str:
    """Check that a regular expression has a group: the part of a name that is meant."""
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"must be a regular expression: {error}") from error
    if not groups:
        raise ValueError(f"must hold what is meant in round brackets, as ^(.*)$, not {pattern!r}")
    return pattern


Pattern = Annotated[str, AfterValidator(_with_group)]
"""A regular expression with a group, the first of which counts."""


class Frozen(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
