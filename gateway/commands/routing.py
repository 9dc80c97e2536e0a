"""`gateway route`: which route takes an image, why not the others, and which images a change would move."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.console import out, print_json
from gateway.commands.opening import open_ledger, versions_of
from gateway.commands.options import AsJson, Config
from gateway.errors import ConfigurationError, GatewayError

if TYPE_CHECKING:
    from gateway.deliver.preview import Preview
    from gateway.deliver.routing import Judgement


def route(
    uid: Annotated[str | None, typer.Argument(help="SOP Instance UID of an image.")] = None,
    last: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Compare with where the results of the last N images went."),
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say which route takes an image, and why the others do not.

    --config may name settings that are not in force yet.
    """
    if (uid is None) == (last is None):
        raise ConfigurationError("state the SOP Instance UID of an image, or --last N")
    if uid is not None:
        _judge(uid, config, as_json=as_json)
    else:
        _preview(last or 0, config, as_json=as_json)


def _judge(uid: str, config: Path | None, *, as_json: bool) -> None:
    from gateway.deliver.routing import judge
    from gateway.rules.attributes import NoHeader
    from gateway.store.headers import kept_header_of
    from gateway.store.queries.images import shown_of

    settings, ledger = open_ledger(config)
    versions = versions_of(ledger, uid)
    image = shown_of(versions) or versions[0]
    try:
        header = kept_header_of(ledger, image.source, image.pulled_from)
        found = list(judge(settings, image.calling_ae_title, header))
    except NoHeader as problem:
        raise GatewayError(f"{uid}: a condition cannot be judged: {problem}; send the image again") from None
    if as_json:
        print_json([_document(each) for each in found])
        return
    for judgement in found:
        _print(_line(judgement))
    if not any(each.verdict == "taken" for each in found):
        raise GatewayError(f"{uid}: no route takes it; state one under routes")


def _preview(last: int, config: Path | None, *, as_json: bool) -> None:
    from gateway.deliver.preview import preview
    from gateway.deliver.routing import route_of
    from gateway.store.headers import kept_header_of
    from gateway.store.queries.routed import RoutedImages

    settings, ledger = open_ledger(config)
    received, images = RoutedImages(ledger).newest(last)
    found = preview(images, route_of(settings), partial(kept_header_of, ledger))
    if as_json:
        print_json(_preview_document(received, len(images), found))
        return
    _print(f"{received} images, {len(images)} with an answer: {found.changed} would change")
    for change, uids in found.changes.items():
        _print(
            f"{len(uids)} of {change.calling_ae_title}: {_move(change.before, change.after)}, as {uids[0]}"
        )
    if found.unjudged:
        _print(f"{len(found.unjudged)} cannot be judged: their files have been deleted or cannot be read")


def _line(judgement: Judgement) -> str:
    from gateway.deliver.preview import in_words

    route = judgement.route
    what = f"routes.{judgement.number}  {route.calling_ae_title}{f' when {route.when}' if route.when else ''}"
    return f"{what} -> {in_words(route.to)}: {judgement.verdict.replace('_', ' ')}: {judgement.why}"


def _document(judgement: Judgement) -> dict[str, Any]:
    return {
        "route": judgement.number,
        **judgement.route.model_dump(mode="json"),
        "verdict": judgement.verdict,
        "why": judgement.why,
    }


def _preview_document(received: int, answered: int, found: Preview) -> dict[str, Any]:
    return {
        "images": received,
        "answered": answered,
        "changed": found.changed,
        "changes": [asdict(change) | {"images": uids} for change, uids in found.changes.items()],
        "unjudged": found.unjudged,
    }


def _move(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    from gateway.deliver.preview import in_words

    return f"{in_words(before)} -> {in_words(after)}"


def _print(line: str) -> None:
    out.print(line, highlight=False, soft_wrap=True)
