"""`gateway train` and `evaluate`: the only module that loads `gateway.training`, when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.console import out, print_json, staged
from gateway.commands.options import Config


def train(
    recipe: Annotated[Path, typer.Argument(metavar="CONFIG", help="Recipe, such as config/train.yaml.")],
    stage: Annotated[list[str] | None, typer.Option(help="Train this stage alone; may be repeated.")] = None,
    limits_of: Annotated[
        Path | None, typer.Option(help="A finished model: train nothing, set its limits of abstention anew.")
    ] = None,
) -> None:
    """Train a model by a recipe; goes on where it was interrupted."""
    if stage and limits_of:
        raise typer.BadParameter("--limits-of trains no stage: leave --stage out")
    from gateway.training.refusal import set_limits
    from gateway.training.train import train as run

    with staged() as progress:
        folder = set_limits(recipe, limits_of, progress) if limits_of else run(recipe, progress, stage or ())
    made = "the stages are" if stage else "the model, its card, figures and plots are"
    out.print(f"{made} in {folder}", soft_wrap=True)


def evaluate(
    model: Annotated[str, typer.Argument(help="Card, folder or .pth; `shipped` is the gateway's own.")],
    dataset: Annotated[Path, typer.Argument(help="A folder with one sub-folder of images for each class.")],
    config: Config = None,
) -> None:
    """Measure a model on labelled images; print the figures as JSON."""
    from gateway.configuration.settings_file import load_settings
    from gateway.training.evaluation.evaluate import evaluate as run
    from gateway.worker.inference import engine_rules

    settings = load_settings(config)
    path = None if model == "shipped" else Path(model)
    with staged() as progress:
        figures = run(path, dataset, rules=engine_rules(settings), progress=progress)
    print_json(figures)
