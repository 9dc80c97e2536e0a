"""`gateway echo` and `send`: the gateway as a client of another DICOM node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.console import counted, err, out, warn
from gateway.commands.options import CAFile, CallingTitle, CertificateFile, Config, KeyFile, Node, WithTLS
from gateway.configuration.settings_file import load_settings


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
    from gateway.deliver.node_argument import Options, node_from
    from gateway.deliver.storage_scu import echo as verify

    verify(node_from(node, load_settings(config), Options(calling, tls, ca, certificate, key)))
    out.print(f"{node} answers")


def send(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files or folders.")],
    to: Annotated[
        str, typer.Option("--to", metavar="AE@HOST:PORT", help="Where to send; also a destination.")
    ],
    calling: CallingTitle = None,
    tls: WithTLS = False,
    ca: CAFile = None,
    certificate: CertificateFile = None,
    key: KeyFile = None,
    config: Config = None,
) -> None:
    """Send DICOM files by C-STORE. In folders, files that are not DICOM are passed over."""
    from gateway.deliver.node_argument import Options, node_from
    from gateway.deliver.send import send_files
    from gateway.worker.predict import find_files

    files = find_files(paths)
    node = node_from(to, load_settings(config), Options(calling, tls, ca, certificate, key))
    stored = passed_over = 0
    with counted("sending", len(files)) as advance:
        for sent in send_files(files, node):
            advance()
            stored += sent.stored
            if not (sent.is_dicom or sent.file in paths):
                passed_over += 1
            elif not sent.stored:
                warn(f"{sent.file}: {sent.problem}")
    if passed_over:
        err.print(f"passed over, because it is not DICOM: {passed_over}", highlight=False)
    out.print(f"{stored} of {len(files) - passed_over} stored by {node}")
    if stored < len(files) - passed_over or not stored:
        raise typer.Exit(1)
