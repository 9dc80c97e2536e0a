"""`make bench`: runs all measurements and prints the table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import (
    commits,
    decode,
    delivery,
    durability,
    end_to_end,
    idle,
    machine,
    model,
    predict,
    receive,
    restart,
    sandbox,
    stages,
    web,
)
from benchmarks.dcmtk import missing
from benchmarks.figure import FULL, QUICK, Effort, Figure
from benchmarks.table import print_table, to_json, write_document
from gateway.configuration.settings_file import load_settings

progress = Console(stderr=True)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A minute's look, too short for figures.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures there.")] = None,
    document: Annotated[
        Path | None, typer.Option(help="Also write the figures into this document, docs/performance.md.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Measure on this disk (2 GB); default the one of temporary files.")
    ] = None,
) -> None:
    """Measure the gateway, each figure beside a yardstick from the same run."""
    if absent := missing():
        progress.print(f"benchmarks: install DCMTK, {' and '.join(absent)} missing (apt-get install dcmtk)")
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory(dir=folder, prefix="benchmarks-") as temporary:
        where, figures = measure(Path(temporary), QUICK if quick else FULL)
    print_table(where, figures, markdown=markdown)
    if document:
        write_document(document, where, figures)
    if json_file:
        json_file.write_text(to_json(where, figures))


def measure(root: Path, effort: Effort) -> tuple[str, list[Figure]]:
    """Return the machine in words and every figure."""
    with progress.status("model") as status:
        models = model.measure(load_settings(), effort)
        where = machine.describe(root, models.answering)
        status.update("decode")
        decoding = decode.measure(effort)
        status.update("sandbox")
        sandboxed = sandbox.measure(root, effort)
        status.update("stages")
        staged = stages.measure(root, effort)
        status.update("receive")
        receiving = receive.measure(root, effort)
        storescp_mb = receive.storescp_peak_mb(root, effort)
        status.update("commits")
        committing = commits.measure(root, effort)
        status.update("end to end")
        answering = end_to_end.measure(root, effort, models, storescp_mb)
        status.update("predict")
        predicting = predict.measure(root, effort, models.answering)
        status.update("durability")
        promising = durability.measure(root, effort)
        status.update("delivery")
        delivering = delivery.measure(root, effort)
        status.update("restart")
        resuming = restart.measure(root, effort)
        status.update("idle")
        resting = idle.measure(root, effort)
        status.update("web")
        showing = web.measure(root / "web", effort)
    return where, [
        *models.figures(),
        *decoding,
        *sandboxed,
        *staged,
        *receiving,
        *committing,
        *answering,
        *predicting,
        *promising,
        *delivering,
        *resuming,
        *resting,
        *showing,
    ]


typer.run(main)
