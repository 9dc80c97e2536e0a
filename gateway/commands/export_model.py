"""`gateway export-model`: the only module that loads `gateway.export`, when the command runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.console import err, out


class ExportFormat(StrEnum):
    """The formats that model servers load."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    TORCHSCRIPT = "torchscript"


def export_model(
    folder: Annotated[Path, typer.Argument(help="New folder: a model repository for a model server.")],
    format: Annotated[ExportFormat, typer.Option(help="Format of the networks.")] = ExportFormat.ONNX,  # noqa: A002
    model: Annotated[str, typer.Option(help="Card or folder; `shipped` is the gateway's own.")] = "shipped",
    profile: Annotated[Path | None, typer.Option(help="Site profile to which the model is fitted.")] = None,
    version: Annotated[int, typer.Option(min=1, help="Version of the networks at the server.")] = 1,
    images: Annotated[int, typer.Option(min=1, help="Computed images that are compared.")] = 200,
) -> None:
    """Write both networks for model servers; show that the files give the model's answers."""
    from gateway.export.export_model import export_model as run

    path = None if model == "shipped" else Path(model)
    with err.status("writing and comparing"):
        parity = run(path, profile, format.value, folder, version=version, images=images)
    for name, each in parity.items():
        out.print(
            f"{each.images} {name}: probabilities differ by at most {each.probability:.2g}, "
            f"log-odds by {each.log_odds:.2g}; {each.other_answers} other answers",
            soft_wrap=True,
            highlight=False,
        )
    out.print(f"the networks are in {folder}", soft_wrap=True, highlight=False)
