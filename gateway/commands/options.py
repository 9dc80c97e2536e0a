"""The options and arguments that several commands share, with their help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; default $GATEWAY_CONFIG, else config/gateway.yaml."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Supervised = Annotated[bool, typer.Option(hidden=True, help="Started by `gateway serve`.")]
PortShare = Annotated[
    tuple[int, int, int, int, int] | None,
    typer.Option(hidden=True, help="Number, receivers, descriptors of socket and places, host (`serve`)."),
]
Node = Annotated[
    str,
    typer.Argument(metavar="AE@HOST:PORT", help="A DICOM node, or a destination by name, with its TLS."),
]
CallingTitle = Annotated[
    str | None, typer.Option("--from", metavar="AE", help="Calling AE title; default scp.ae_title.")
]
WithTLS = Annotated[bool, typer.Option("--tls", help="Use TLS; trust the CAs of this machine.")]
CAFile = Annotated[
    Path | None, typer.Option("--ca", metavar="PEM", help="Use TLS; trust the CAs in this file.")
]
CertificateFile = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="PEM", help="Client certificate, if the node requires one."),
]
KeyFile = Annotated[Path | None, typer.Option("--key", metavar="PEM", help="Key of the client certificate.")]
