"""`gateway export` and `hash-password`: the readers' feedback, and the accounts of the readers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.console import err
from gateway.commands.opening import open_ledger
from gateway.commands.options import Config
from gateway.errors import GatewayError


def export(
    file: Annotated[Path, typer.Argument(metavar="CSV", help="Where to write; - is standard output.")],
    comments: Annotated[
        bool,
        typer.Option("--comments", help="Include comments, which may name a patient."),
    ] = False,
    config: Config = None,
) -> None:
    """Write the readers' feedback as CSV, de-identified."""
    from gateway.store.export import export as write
    from gateway.store.key_file import key_in
    from gateway.store.queries.feedback import FeedbackQueries
    from gateway.telemetry.events import Event
    from gateway.telemetry.log import log_event, open_log

    settings, ledger = open_ledger(config)
    key = key_in(settings.directory.export_key)
    try:
        with sys.stdout if str(file) == "-" else file.open("w", newline="", encoding="utf-8") as target:
            count = write(FeedbackQueries(ledger), target, key, comments=comments)
    except OSError as error:
        raise GatewayError(f"{file}: {error.strerror}") from None
    open_log(settings.directory, role="export", rules=settings.log, to_stderr=False)
    log_event(Event.EXPORTED, what="feedback", readings=count, comments=comments)
    err.print(f"{count} readings written", highlight=False)


def hash_password() -> None:
    """Ask for a password, or read one from a pipe, and print what `web.users` keeps in place of it."""
    from gateway.web.security.passwords import hash_password as hashed

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:  # a prompt would read the terminal behind the pipe
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise GatewayError("no password was given; type one, or send one line to the standard input")
    sys.stdout.write(f"{hashed(password)}\n")
