"""A part of a recipe: frozen, and without unknown keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Class = Literal["Normal", "Pneumonia"]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
