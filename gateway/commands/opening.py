"""Opens the settings, the ledger and an image's rows for a command; no command makes or migrates a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.console import warn
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.store.ledger import Ledger
    from gateway.store.queries.views import ImageView


def open_settings(config: Path | None, *, quiet: bool = False) -> Settings:
    """Load the settings; unless `quiet`, warn where no settings file is found and the defaults apply.

    Raises
    ------
    ConfigurationError
        If the settings are wrong; the message lists every problem.
    """
    from gateway.configuration.settings_file import DEFAULT_FILE, file_in_use, load_settings

    settings = load_settings(config)
    if not quiet and file_in_use(config) is None:
        problem = f"no {DEFAULT_FILE} here: the defaults serve, and data is kept in {settings.data_dir}"
        warn(f"gateway: {problem}")
    return settings


def open_ledger(config: Path | None) -> tuple[Settings, Ledger]:
    """Load the settings and open the existing ledger.

    Raises
    ------
    NoGatewayYet, GatewayError, ConfigurationError
        As `look_into_database`.
    """
    from gateway.store.opening import look_into_database

    settings = open_settings(config)
    return settings, look_into_database(settings)[1]


def open_ledger_to_change(config: Path | None, command: str) -> tuple[Settings, Ledger]:
    """Load the settings and open the existing ledger; its events go to the log file in the command's name.

    Raises
    ------
    NoGatewayYet, GatewayError, ConfigurationError
        As `look_into_database` and `open_log`.
    """
    from gateway.telemetry.log import open_log

    settings, ledger = open_ledger(config)
    open_log(settings.directory, role=command, rules=settings.log, to_stderr=False)
    return settings, ledger


def versions_of(ledger: Ledger, uid: str) -> list[ImageView]:
    """Return every data set that was received under a SOP Instance UID, with its history.

    Raises
    ------
    GatewayError
        If there is none; the message lists how the image was refused.
    """
    from gateway.commands.history import refusal_of
    from gateway.store.queries.images import Images
    from gateway.store.refusals import Refusals

    versions = Images(ledger).versions(uid)
    if not versions:
        refused = "".join(f"\n{refusal_of(row)}" for row in Refusals(ledger).of(uid))
        raise GatewayError(f"{uid}: no image with this SOP Instance UID was received{refused}")
    return versions
