"""`gateway config`, `doctor`, `health`, `version`: the settings and the state of this installation."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import __version__
from gateway.commands.console import TABLE_WIDTH, err, out, print_json, warn
from gateway.commands.opening import open_settings
from gateway.commands.options import AsJson, Config
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.doctor.finding import Finding


def check_config(config: Config = None) -> None:
    """List every problem of the settings, with line and remedy. Warnings alone leave the exit status 0."""
    from gateway.configuration.settings_file import check_settings
    from gateway.doctor.files import faulty_files

    check_settings(config, lambda line: warn(f"gateway: warning: {line}", style="yellow"), faulty_files)
    open_settings(config)
    out.print("the settings are right")


def show_config(config: Config = None) -> None:
    """Print the settings in force, file and environment together."""
    import yaml

    from gateway.configuration.secrets import without_secrets

    settings = open_settings(config)
    content = without_secrets(settings.model_dump(mode="json"))
    sys.stdout.write(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def doctor(as_json: AsJson = False, config: Config = None) -> None:
    """Examine settings, disk, database, ports, model and every destination; say what to change where."""
    from gateway.doctor.examine import examine
    from gateway.doctor.finding import Severity

    settings = open_settings(config)
    with err.status("examining"):
        findings = list(examine(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.verdict is Severity.WRONG for finding in findings):
        raise typer.Exit(1)


def health(config: Config = None) -> None:
    """Say whether every role of the gateway on this machine serves: for containers and monitors."""
    from gateway.configuration.settings_file import load_settings
    from gateway.telemetry.role_status import read_role_status

    roles = read_role_status(load_settings(config).directory.role_status)
    failing = [f"{name} is {role.state}" for name, role in sorted(roles.items()) if role.state != "serving"]
    if failing or not roles:
        raise GatewayError("; ".join(failing) or "no gateway runs here")
    out.print(f"{', '.join(sorted(roles))}: all serve", highlight=False)


def version() -> None:
    """Print the version."""
    out.print(__version__)


def _print_findings(findings: list[Finding]) -> None:
    colours = {"good": "green", "doubtful": "yellow", "wrong": "red"}
    table = Table("what", "", "is", "what to change, and where", box=box.SIMPLE)
    for finding in findings:
        verdict = Text(finding.verdict, colours[finding.verdict])
        table.add_row(Text(finding.what), verdict, Text(finding.told), Text(finding.advice))
    Console(width=None if out.is_terminal else TABLE_WIDTH).print(table)
