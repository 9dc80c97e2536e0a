"""`gateway model`: the engines of this machine beside the reference answers of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.console import TABLE_WIDTH, err, out

Model = Annotated[str, typer.Argument(help="Card or folder; `shipped` is the gateway's own.")]


def check(model: Model = "shipped") -> None:
    """Say whether every engine of this machine gives the same answers: processor and GPU."""
    from gateway.model.comparison import compare_engines

    with err.status("comparing"):
        compared = list(compare_engines(_path(model)))
    table = Table("engine", "", "largest differences from the reference answers", box=box.SIMPLE)
    for each in compared:
        verdict = Text("same", "green") if each.same else Text("differs", "red")
        table.add_row(each.engine, verdict, each.told)
    Console(width=None if out.is_terminal else TABLE_WIDTH).print(table)
    if not all(each.same for each in compared):
        raise typer.Exit(1)


def reference(model: Model) -> None:
    """Write the reference answers of a model, by PyTorch on the processor; engines are compared with them."""
    from gateway.model.comparison import make_reference

    with err.status("measuring"):
        folder = make_reference(_path(model))
    out.print(f"the reference answers are in {folder}", soft_wrap=True)


def _path(model: str) -> Path | None:
    return None if model == "shipped" else Path(model)
