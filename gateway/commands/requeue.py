"""`gateway retry`, `resend`, `reprocess`, `give-up`: images and deliveries once more, or no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.console import err, out, warn
from gateway.commands.opening import open_ledger_to_change, versions_of
from gateway.commands.options import Config
from gateway.errors import ConfigurationError, GatewayError

if TYPE_CHECKING:
    from gateway.worker.reprocess import Reprocessed

Uids = Annotated[list[str] | None, typer.Argument(metavar="[UID]...", help="SOP Instance UIDs of images.")]
Study = Annotated[str | None, typer.Option(help="All images of this Study Instance UID.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="All images received since then, local time.",
    ),
]


def retry(
    uid: Annotated[str | None, typer.Argument(help="SOP Instance UID of an image.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Everything that has failed.")] = False,
    config: Config = None,
) -> None:
    """Begin anew what has failed: deliveries that were given up, images without an answer."""
    from gateway.deliver.routing import route_of
    from gateway.store.requeue import Requeue

    if (uid is None) != failed:
        raise ConfigurationError("state the SOP Instance UID of an image, or --failed")
    settings, ledger = open_ledger_to_change(config, "retry")
    begun = Requeue(ledger).retry(uid, route_of(settings))
    if uid is not None and not (begun.images or begun.deliveries or begun.unrouted):
        versions_of(ledger, uid)
        raise GatewayError(f"{uid}: nothing to retry: it has not failed, or its files have been deleted")
    out.print(f"{begun.deliveries} deliveries and {begun.images} images begin anew", soft_wrap=True)
    _fail_unrouted(begun.unrouted)


def resend(
    uids: Uids = None,
    study: Study = None,
    since: Since = None,
    destination: Annotated[
        str | None,
        typer.Option(
            "--to",
            "--destination",
            metavar="NAME",
            help="Only to this destination, which may be new; default: as routed now.",
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Send results again that were delivered: to a PACS that has lost them, or to a new one."""
    from gateway.deliver.routing import route_of
    from gateway.store.requeue import Requeue, Selection
    from gateway.yaml_files.wording import did_you_mean

    if not uids and study is None and since is None:
        raise ConfigurationError("state the SOP Instance UID of an image, --study or --since")
    settings, ledger = open_ledger_to_change(config, "resend")
    names = [each.name for each in settings.destinations]
    if destination is not None and destination not in names:
        raise ConfigurationError(
            f"{destination}: no such destination; there are {', '.join(names) or 'none'}"
            f"{did_you_mean(destination, names)}"
        )
    for uid in uids or ():
        versions_of(ledger, uid)
    selection = Selection(tuple(uids or ()), study, since.astimezone() if since else None)
    sent = Requeue(ledger).resend(selection, route_of(settings, only=destination))
    out.print(f"requeued {sent.deliveries} deliveries of {sent.images} images", soft_wrap=True)
    if sent.deleted:
        err.print(f"{sent.deleted} images have no results any more; gateway reprocess makes them anew")
    if sent.unjudged:
        warn(
            f"{sent.unjudged} images have no file any more by which a route could be found; name one by --to"
        )
    _fail_unrouted(sent.unrouted)
    if not sent.deliveries:
        raise GatewayError("nothing to send: no results, or all of them are on their way already")


def give_up(
    uids: Uids = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="All images that wait for a file that the store does not have.")
    ] = False,
    config: Config = None,
) -> None:
    """Declare files lost that the store does not have; their images end as failed."""
    from gateway.store.missing_files import give_up as lose
    from gateway.store.missing_files import waiting as held
    from gateway.store.stores import look_into_stores

    if bool(uids) == waiting:
        raise ConfigurationError("state the SOP Instance UIDs of images, or --waiting")
    settings, ledger = open_ledger_to_change(config, "give-up")
    stores = look_into_stores(settings, ledger)
    if stores is None:
        raise GatewayError("no gateway has run with this store yet")
    for uid in uids or ():
        versions_of(ledger, uid)
    lost = sum(lose(ledger, stores, uid) for uid in uids or held(ledger))
    out.print(f"{lost} files are given up", soft_wrap=True)
    if not lost:
        raise GatewayError("nothing to give up: the store has every file")


def reprocess(
    uids: Uids = None,
    study: Study = None,
    since: Since = None,
    config: Config = None,
) -> None:
    """Let the present model and configuration answer images again, in place of an earlier answer.

    --study and --since choose only images that have an answer.
    """
    from gateway.store.queries.images import Images
    from gateway.store.requeue import Selection
    from gateway.worker.inference import open_predictor
    from gateway.worker.reprocess import reprocess as begin
    from gateway.worker.reprocess import reprocess_all

    many = study is not None or since is not None
    if bool(uids) == many:
        raise ConfigurationError("state SOP Instance UIDs of images; or --study, --since or both")
    settings, ledger = open_ledger_to_change(config, "reprocess")
    given = {uid: versions_of(ledger, uid) for uid in uids or ()}
    model = open_predictor(settings).identity
    for uid, versions in given.items():
        out.print(f"{uid}: {begin(settings, ledger, versions, model)}", highlight=False, soft_wrap=True)
    if many:
        chosen = Selection((), study, since.astimezone() if since else None).condition
        _tell(reprocess_all(settings, ledger, Images(ledger).answered(chosen), model))


def _tell(many: Reprocessed) -> None:
    for problem in many.problems:
        err.print(problem, highlight=False, soft_wrap=True)
    counts = (
        f"{many.again} images are answered again{'' if many.worker_runs else ' once a worker runs'}",
        f"{many.same} have their answer by this model, configuration and revision",
        f"{len(many.problems)} cannot be answered again",
    )
    out.print("; ".join(counts), highlight=False, soft_wrap=True)
    if not many.again and not many.same:
        raise GatewayError("nothing to answer again: no image with an answer")


def _fail_unrouted(titles: Sequence[str]) -> None:
    if titles:
        named = ", ".join(titles)
        raise GatewayError(
            f"no route takes images of {named}: gateway route UID says why; "
            "state one under routes, then run gateway retry --failed"
        )
