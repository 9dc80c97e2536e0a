"""`gateway list`, `show`, `refusals`: received images, and everything that was turned away."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.console import out, print_json
from gateway.commands.opening import open_ledger, versions_of
from gateway.commands.options import AsJson, Config
from gateway.errors import GatewayError, NoGatewayYet
from gateway.records import State

if TYPE_CHECKING:
    from gateway.store.queries.views import ImageRow


def list_instances(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    state: Annotated[State | None, typer.Option(help="Only images in this state.")] = None,
    study: Annotated[str | None, typer.Option(help="Only this Study Instance UID.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List received images, newest first."""
    from gateway.commands.history import local
    from gateway.store.queries.document import row_document
    from gateway.store.queries.images import Images

    ledger = open_ledger(config)[1]
    rows = Images(ledger).newest(limit=limit, state=state, study_instance_uid=study)
    if as_json:
        print_json([row_document(row) for row in rows])
        return
    for row in rows:
        outcome = " ".join(filter(None, (row.label, row.reason)))
        sys.stdout.write(
            f"{local(row.received_at)}  {row.calling_ae_title:<16}  {row.state:<10}  "
            f"{outcome:<18}  {_score(row):<5}  {row.sop_instance_uid}\n"
        )


def show(uid: str, as_json: AsJson = False, config: Config = None) -> None:
    """Tell what happened to one image, and why."""
    from gateway.commands.history import account_of, refusal_of
    from gateway.store.queries.document import image_document
    from gateway.store.refusals import Refusals

    try:
        ledger = open_ledger(config)[1]
    except NoGatewayYet as error:
        raise GatewayError(f"{uid}: no image with this SOP Instance UID was received; {error}") from None
    versions = versions_of(ledger, uid)
    if as_json:
        print_json([image_document(version) for version in versions])
        return

    for version in versions:
        out.print(account_of(version), highlight=False, soft_wrap=True)
    for row in Refusals(ledger).of(uid):
        out.print(refusal_of(row), highlight=False, soft_wrap=True)


def refusals(
    limit: Annotated[int, typer.Option(min=1, help="How many, the last first.")] = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List images that were refused and associations that were rejected, the last first, and why."""
    from gateway.commands.history import refusal_of
    from gateway.store.refusals import Refusals

    rows = Refusals(open_ledger(config)[1]).newest(limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        sys.stdout.write(f"{refusal_of(row)}\n")


def _score(row: ImageRow) -> str:
    return "" if row.score is None else f"{row.score:.3f}"
