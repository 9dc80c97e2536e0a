"""`gateway echo` and `send`: the gateway as a client of another DICOM node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.console import counted, out, warn
from gateway.commands.options import CAFile, CallingTitle, CertificateFile, Config, KeyFile, Node, WithTLS

DICOMDIR = "DICOMDIR"
"""Name of the directory of a medium (PS3.10 8.6), which is no image."""
NAMED = 3
"""Files that are passed over and named."""


def echo(
    node: Node,
    calling: CallingTitle = None,
    tls: WithTLS = False,
    ca: CAFile = None,
    certificate: CertificateFile = None,
    key: KeyFile = None,
    config: Config = None,
) -> None:
    """Verify a DICOM node by C-ECHO."""
    from gateway.configuration.settings_file import load_settings
    from gateway.requestor.node_argument import Options, node_from
    from gateway.requestor.storage_scu import echo as verify

    verify(node_from(node, load_settings(config), Options(calling, tls, ca, certificate, key)))
    out.print(f"{node} answers")


def send(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files or folders.")],
    to: Annotated[
        str, typer.Option("--to", metavar="AE@HOST:PORT", help="A DICOM node, or the name of a destination.")
    ],
    calling: CallingTitle = None,
    tls: WithTLS = False,
    ca: CAFile = None,
    certificate: CertificateFile = None,
    key: KeyFile = None,
    config: Config = None,
) -> None:
    """Send DICOM files by C-STORE.

    In folders, DICOMDIR files and files that are not DICOM are skipped.
    """
    from gateway.configuration.settings_file import load_settings
    from gateway.files.folders import find_files
    from gateway.requestor.node_argument import Options, node_from
    from gateway.requestor.send import send_files

    files = [file for file in find_files(paths) if file.name != DICOMDIR or file in paths]
    node = node_from(to, load_settings(config), Options(calling, tls, ca, certificate, key))
    stored, passed_over = 0, list[Path]()
    with counted("sending", len(files)) as advance:
        for sent in send_files(files, node):
            advance()
            stored += sent.stored
            if not (sent.is_dicom or sent.file in paths):
                passed_over.append(sent.file)
            elif not sent.stored:
                warn(f"{sent.file}: {sent.problem}")
    if passed_over:
        named = ", ".join(map(str, passed_over[:NAMED])) + (", …" if len(passed_over) > NAMED else "")
        warn(f"passed over, because it is not DICOM: {len(passed_over)} ({named})", style="yellow")
    images = len(files) - len(passed_over)
    out.print(f"{stored} of {images} stored by {node}")
    if stored < images or not stored:
        raise typer.Exit(1)
