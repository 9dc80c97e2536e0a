"""`gateway commission`: fits the model to this site; the only module that loads `gateway.commissioning`."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.console import out, staged, warn
from gateway.commands.opening import open_ledger, open_settings
from gateway.commands.options import Config
from gateway.errors import GatewayError
from gateway.files.atomic import create_for_all
from gateway.files.folders import existing

if TYPE_CHECKING:
    from gateway.commissioning.commission import Commissioned
    from gateway.model.profile import Part
    from gateway.store.ledger import Ledger


def site_name(stated: str) -> str:
    """Return the name of the site, checked before any time is spent."""
    from gateway.model.profile import MOST_SITE_CHARACTERS as MOST

    if not stated.strip() or len(stated.strip()) > MOST or not stated.isprintable():
        raise typer.BadParameter(f"must be 1 to {MOST} printable characters")
    return stated.strip()


def commission(
    normal: Annotated[
        str,
        typer.Argument(
            help="Normal chests: a folder, a file *.txt of SOP Instance UIDs, or the word feedback."
        ),
    ],
    site: Annotated[str, typer.Option(callback=site_name, help="The hospital's name, as results state it.")],
    sick: Annotated[
        str | None, typer.Option(help="Chests with the finding, given in the same ways as normal ones.")
    ] = None,
    specificity: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Share of normal chests that stay negative.")
    ] = 0.9,
    share: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of the site's batch-norm statistics; default: the images decide."
        ),
    ] = None,
    read_again: Annotated[
        bool, typer.Option("--read-again", help="State that outlying images were read again and are normal.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--out", help="New folder of the profile; default below data_dir/profiles.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Also write a page to be signed.")
    ] = None,
    config: Config = None,
) -> None:
    """Fit the model to this site with at least 20 of its normal chests; write a site profile."""
    from gateway.commissioning.commission import Request
    from gateway.commissioning.commission import commission as run
    from gateway.commissioning.given import given_images
    from gateway.store.stores import look_into_stores
    from gateway.worker.image import eligibility_rules
    from gateway.worker.inference import engine_rules

    settings = open_settings(config)

    def ledger() -> Ledger:
        return open_ledger(config)[1]

    def fetch(ledger: Ledger, path: Path) -> None:
        if stores := look_into_stores(settings, ledger):
            stores.received.fetch(path)

    target = folder or settings.data_dir / "profiles" / f"{datetime.now().astimezone():%Y-%m-%d}"
    check_free(target, existing(target.absolute().parent), "--out")
    if report is not None:
        check_free(report, report.absolute().parent, "--report")
        if report.absolute() == target.absolute():
            raise GatewayError(f"{report} is the folder of the profile: state another one by --report")
    request = Request(
        site=site,
        model=settings.model.path,
        rules=eligibility_rules(settings),
        engine=engine_rules(settings),
        specificity=specificity,
        share=share,
        read_again=read_again,
    )
    normals = given_images(normal, ledger, fetch)
    sicks = [] if sick is None else given_images(sick, ledger, fetch, sick=True)
    with staged() as progress:
        made = run(normals, sicks, request, progress)
    for each in made.left_out:
        warn(f"{each.name}: left out: {each.reason}", style="yellow")
    sha256 = made.write(target)
    print_figures(made)
    there = target.resolve()  # settings have other relative paths than the shell
    out.print(f"the profile is in {there}; put it to use by model.profile: {there}", soft_wrap=True)
    if report is not None:
        write_report(made, sha256, settings.model.path, report)


def check_free(path: Path, above: Path, option: str) -> None:
    """Refuse a path that exists, or cannot be made in the folder `above`, before any time is spent."""
    try:
        path.lstat()  # a link that leads nowhere is in the way, too
    except FileNotFoundError:
        pass
    except OSError as error:
        raise GatewayError(f"{path}: {error.strerror}; state another one by {option}") from None
    else:
        raise GatewayError(f"{path} exists: state another one by {option}")
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise GatewayError(f"{path} cannot be written: state another one by {option}")


def write_report(made: Commissioned, sha256: str, model: Path | None, file: Path) -> None:
    """Write the page that a medical physicist can sign."""
    from gateway.commissioning.report import report_page
    from gateway.model.predictor import SHIPPED, read_model

    card, _ = read_model(SHIPPED if model is None else model)
    page = report_page(made.card, sha256, card, made.evidence)
    try:
        create_for_all(file, page.encode())
    except OSError as error:
        raise GatewayError(f"the profile is made, and its page is not: {file}: {error.strerror}") from None


def print_figures(made: Commissioned) -> None:
    """Print the figures before and after, one line each."""
    before, after = made.card.before, made.card.after
    pairs = {"specificity": (before.specificity, after.specificity)}
    if before.sensitivity and after.sensitivity:
        pairs["sensitivity"] = (before.sensitivity, after.sensitivity)
    for name, (shipped, fitted) in pairs.items():
        line = f"{name}: {in_words(shipped)} as shipped, {in_words(fitted)} with the profile"
        out.print(line, highlight=False, soft_wrap=True)
    if before.auc and after.auc:
        out.print(
            f"AUC: {before.auc.value:.3f} as shipped, {after.auc.value:.3f} with the profile", highlight=False
        )


def in_words(part: Part) -> str:
    """Return a share with its interval and counts."""
    return f"{part.value:.2f} [{part.low:.2f}, {part.high:.2f}] ({part.part} of {part.whole})"
