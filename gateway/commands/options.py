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
    typer.Argument(metavar="AE@HOST:PORT", help="DICOM node, or the name of a destination (its TLS too)."),
]
CallingTitle = Annotated[
    str | None, typer.Option("--from", metavar="AE", help="Calling AE title; default scp.ae_title.")
]
WithTLS = Annotated[bool, typer.Option("--tls", help="Speak TLS, trusting whom this machine trusts.")]
CAFile = Annotated[Path | None, typer.Option("--ca", metavar="PEM", help="Speak TLS, trusting these.")]
CertificateFile = Annotated[
    Path | None, typer.Option("--certificate", metavar="PEM", help="Of ours, where the node asks for it.")
]
KeyFile = Annotated[Path | None, typer.Option("--key", metavar="PEM", help="Of the certificate.")]
