"""`gateway serve`, `receive`, `work`, `web`: the processes of a gateway, until SIGTERM."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from gateway.commands.console import out
from gateway.commands.opening import open_settings
from gateway.commands.options import Config, PortShare, Supervised


def serve(config: Config = None) -> None:
    """Run the whole gateway on this machine until SIGTERM."""
    gc.disable()  # the supervisor looks for garbage once it has imported and forked
    from gateway.processes.supervise import Supervisor

    arguments = ["--config", str(config)] if config else []
    Supervisor(open_settings(config), arguments, run=_run_command).run()


def _run_command(arguments: Sequence[str]) -> None:
    from gateway.commands.app import main

    sys.argv = ["gateway", *arguments]
    main()


def migrate(config: Config = None) -> None:
    """Bring the database to this version's schema, and end: before several hosts start a new version."""
    from gateway.store.opening import open_database

    open_database(open_settings(config))[0].dispose()
    out.print("the database has the schema of this version")


def receive(config: Config = None, supervised: Supervised = False, share: PortShare = None) -> None:
    """Run the DICOM listener alone."""
    from gateway.processes import roles

    roles.receive(open_settings(config, quiet=supervised), supervised=supervised, share=share or ())


def work(config: Config = None, supervised: Supervised = False) -> None:
    """Run one worker alone: it answers and delivers."""
    from gateway.processes import roles

    roles.work(open_settings(config, quiet=supervised), supervised=supervised)


def web(config: Config = None, supervised: Supervised = False) -> None:
    """Run the web pages and the API alone."""
    from gateway.processes import roles

    roles.web(open_settings(config, quiet=supervised), supervised=supervised)
