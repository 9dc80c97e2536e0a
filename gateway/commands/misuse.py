"""Says what is wrong with a stated value as it is said of settings; Typer has pydantic say it."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """The commands of the gateway, and of the groups among them."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; the error of a value that is none says what it must be, and what it is."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            from pydantic import BaseModel, ValidationError

            from gateway.yaml_files.wording import Wording

            if isinstance(error.__cause__, ValidationError):
                error.message = Wording(BaseModel).in_one_line(error.__cause__)
            raise
