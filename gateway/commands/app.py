"""The `gateway` command: one table of all commands, and the exit status of each failure.

Entry point of the installed script and of `python -m gateway`. Commands import their part of the gateway when
they run, so that `gateway --help` loads neither the model nor the store.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from gateway import __version__
from gateway.commands import (
    answering,
    checking,
    commission,
    export_model,
    images,
    model,
    peers,
    proof,
    pull,
    readers,
    requeue,
    research,
    routing,
    serving,
)
from gateway.commands.console import out, warn
from gateway.commands.misuse import Commands
from gateway.errors import ConfigurationError, GatewayError

FAILED, MISUSED = 1, 2
"""Exit statuses beside 0: the command could not do it; usage or settings are wrong."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""Errors of a disk or an output that takes no more: no bugs of the gateway."""

COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serving.serve,
    "migrate": serving.migrate,
    "receive": serving.receive,
    "work": serving.work,
    "web": serving.web,
    "echo": peers.echo,
    "send": peers.send,
    "predict": answering.predict,
    "pull": pull.pull,
    "commission": commission.commission,
    "prove": proof.prove,
    "train": research.train,
    "evaluate": research.evaluate,
    "export-model": export_model.export_model,
    "list": images.list_instances,
    "show": images.show,
    "refusals": images.refusals,
    "retry": requeue.retry,
    "resend": requeue.resend,
    "reprocess": requeue.reprocess,
    "give-up": requeue.give_up,
    "route": routing.route,
    "export": readers.export,
    "hash-password": readers.hash_password,
    "doctor": checking.doctor,
    "health": checking.health,
    "version": checking.version,
}
CONFIG_COMMANDS: dict[str, Callable[..., None]] = {
    "check": checking.check_config,
    "show": checking.show_config,
}
MODEL_COMMANDS: dict[str, Callable[..., None]] = {
    "check": model.check,
    "reference": model.reference,
}

app = typer.Typer(
    cls=Commands,
    help="DICOM gateway for chest radiographs. Research only, not for diagnostic use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")
model_app = typer.Typer(help="Compare the engines of the model.", no_args_is_help=True)
app.add_typer(model_app, name="model")
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
for _name, _command in CONFIG_COMMANDS.items():
    config_app.command(_name)(_command)
for _name, _command in MODEL_COMMANDS.items():
    model_app.command(_name)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """DICOM gateway for chest radiographs. Research only, not for diagnostic use."""


def main() -> None:
    """Run the command; a problem with a known cause ends as one line and exit status 1 or 2."""
    _hold_standard_descriptors()
    sys.stdin = sys.stdin or _stream(0, "r")  # None where it is closed, as the others
    sys.stdout, sys.stderr = sys.stdout or _stream(1, "w"), sys.stderr or _stream(2, "w")
    os.umask(os.umask(0o077) | 0o027)  # files are about patients: other users must not read them
    gc.enable()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except ConfigurationError as error:
        _fail(error, MISUSED)
    except GatewayError as error:
        _fail(error, FAILED)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        sys.stdout = _nowhere()  # or else Python writes at its end what did not fit
        _fail(GatewayError(f"cannot write: {error.strerror}; make room, then try again"), FAILED)


def _hold_standard_descriptors() -> None:
    """Open 0, 1 and 2 where they are closed: else the ledger may get such a number, and output with it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _stream(descriptor: int, mode: Literal["r", "w"]) -> TextIO:
    """Return a stream of a descriptor, which leads to the supervisor in a role that is forked later."""
    return open(descriptor, mode, encoding="utf-8", closefd=False)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _fail(error: GatewayError, status: int) -> None:
    for line in str(error).splitlines():
        warn(f"gateway: {line}", style="red")
    sys.exit(status)
