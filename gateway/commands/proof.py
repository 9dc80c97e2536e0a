"""`gateway prove`: the only module that loads `gateway.proof`, when the command runs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from gateway.commands.console import err, out, warn
from gateway.commands.options import Config


def prove(
    images: Annotated[int, typer.Option(min=1, help="How many images are sent.")] = 500,
    kills: Annotated[int, typer.Option(min=0, help="How often a process is killed.")] = 100,
    senders: Annotated[int, typer.Option(min=1, help="How many send at once.")] = 4,
    database: Annotated[str, typer.Option(help="sqlite, or postgresql://… without images.")] = "sqlite",
    database_kills: Annotated[
        int, typer.Option(min=0, help="How often PostgreSQL is killed as well; its owner must restart it.")
    ] = 0,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Run many hosts, each in a network namespace (Linux, as root)."),
    ] = False,
    faults: Annotated[
        int, typer.Option(min=0, help="How often a process, host, cable or server of the cluster fails.")
    ] = 60,
    s3: Annotated[
        str | None,
        typer.Option(help="Command of an S3 server for the images, as 'SERVER -H {host} -p {port}'."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random kills: the same seed repeats them.")] = 1,
    config: Config = None,
) -> None:
    """Kill a gateway of its own again and again; show that nothing is lost or answered twice."""
    from gateway.configuration.settings_file import load_settings
    from gateway.proof.cluster.conduct import ClusterExperiment, conduct_in_cluster
    from gateway.proof.cluster.machine import enter_own_machine
    from gateway.proof.conduct import Experiment, conduct
    from gateway.proof.report import cases_of, table_of

    if cluster:
        enter_own_machine()
    given = load_settings(config)
    folder = Path(tempfile.mkdtemp(prefix="gateway-prove-"))
    err.print(f"settings, log and data are in {folder}", highlight=False, soft_wrap=True)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("proving", total=1)

        def tell(share: float) -> None:
            progress.update(task, completed=share)

        if cluster:
            wanted = ClusterExperiment(images, faults, senders, seed, s3)
            findings = conduct_in_cluster(wanted, given, folder, tell)
        else:
            experiment = Experiment(images, kills, senders, seed, database_kills, s3)
            findings = conduct(experiment, given, database, folder, tell)
    out.print(table_of(findings, "faults" if cluster else "kills"))
    for case in cases_of(findings):
        warn(case, style="red")
    if not findings.proven:
        raise typer.Exit(1)
    shutil.rmtree(folder)
