"""The `gateway` command: reads arguments, calls one function, prints what came of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from gateway import __version__
from gateway.configuration.secrets import without_secrets
from gateway.configuration.settings_file import DEFAULT_FILE, check_settings, file_in_use, load_settings
from gateway.errors import ConfigurationError, GatewayError, NoGatewayYet
from gateway.records import State
from gateway.settings import Settings

app = typer.Typer(
    help="DICOM gateway for chest radiographs. Research only, not for diagnostic use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; default $GATEWAY_CONFIG, else config/gateway.yaml."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Supervised = Annotated[bool, typer.Option(hidden=True, help="Started by `gateway serve`.")]
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

WIDTH = 140  # of a table where no terminal says how wide it is

out = Console()
err = Console(stderr=True)


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
    os.umask(os.umask(0o077) | 0o027)  # what is written is about patients: nobody else reads it
    try:
        app()
    except ConfigurationError as error:
        _fail(error, 2)
    except GatewayError as error:
        _fail(error, 1)


def _fail(error: GatewayError, status: int) -> None:
    for line in str(error).splitlines():
        err.print(f"gateway: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(status)


# --- serving


@app.command()
def serve(config: Config = None) -> None:
    """Run the whole gateway on this machine until SIGTERM."""
    from gateway.processes.supervise import Supervisor

    Supervisor(_settings(config), ["--config", str(config)] if config else []).run()


@app.command()
def receive(config: Config = None, supervised: Supervised = False) -> None:
    """Run the DICOM listener alone."""
    from gateway.processes import roles

    roles.receive(_settings(config, told=supervised), supervised=supervised)


@app.command()
def work(config: Config = None, supervised: Supervised = False) -> None:
    """Run one worker alone: it answers and delivers."""
    from gateway.processes import roles

    roles.work(_settings(config, told=supervised), supervised=supervised)


@app.command()
def web(config: Config = None, supervised: Supervised = False) -> None:
    """Run the web pages and the API alone."""
    from gateway.processes import roles

    roles.web(_settings(config, told=supervised), supervised=supervised)


# --- DICOM peers


@app.command()
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


@app.command()
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
    with _progress("sending", len(files)) as advance:
        for sent in send_files(files, node):
            advance()
            stored += sent.stored
            if not (sent.is_dicom or sent.file in paths):
                passed_over += 1
            elif not sent.stored:
                err.print(f"{sent.file}: {sent.problem}", markup=False, highlight=False, soft_wrap=True)
    if passed_over:
        err.print(f"passed over, because it is not DICOM: {passed_over}", highlight=False)
    out.print(f"{stored} of {len(files) - passed_over} stored by {node}")
    if stored < len(files) - passed_over or not stored:
        raise typer.Exit(1)


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(help="DICOM, PNG or JPEG files, or folders.")],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Write the SR and SC of DICOM files below this folder.")
    ] = None,
    config: Config = None,
) -> None:
    """Answer for files, one JSON line each on standard output."""
    from gateway.worker.pipeline import open_predictor
    from gateway.worker.predict import find_files, predict_files, write_results

    settings = load_settings(config)
    files = find_files(paths)
    predictor = open_predictor(settings)
    failed = False
    with _progress("predicting", len(files)) as advance:
        for prediction in predict_files(files, predictor, settings, with_results=out_dir is not None):
            line = prediction.line
            if out_dir is not None:
                line |= write_results(prediction, out_dir)
            sys.stdout.write(json.dumps(line) + "\n")  # escaped: a file's name need not be Unicode
            sys.stdout.flush()
            failed |= prediction.failed
            advance()
    if failed:
        raise typer.Exit(1)


@app.command()
def prove(
    images: Annotated[int, typer.Option(min=1, help="How many images are sent.")] = 500,
    kills: Annotated[int, typer.Option(min=0, help="How often a process is killed.")] = 100,
    senders: Annotated[int, typer.Option(min=1, help="How many send at once.")] = 4,
    database: Annotated[str, typer.Option(help="sqlite, or postgresql://… without images.")] = "sqlite",
    database_kills: Annotated[
        int, typer.Option(min=0, help="How often PostgreSQL is killed besides; its owner starts it again.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed, the same kills.")] = 1,
    config: Config = None,
) -> None:
    """Kill a gateway of its own again and again; show that nothing is lost or answered twice."""
    from gateway.proof.conduct import Experiment, conduct
    from gateway.proof.report import cases_of, table_of

    folder = Path(tempfile.mkdtemp(prefix="gateway-prove-"))
    err.print(f"settings, log and data are in {folder}", highlight=False, soft_wrap=True)
    experiment = Experiment(images, kills, senders, seed, database_kills)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("proving", total=1)
        tell = partial(progress.update, task)
        findings = conduct(experiment, load_settings(config), database, folder, lambda x: tell(completed=x))
    out.print(table_of(findings))
    for case in cases_of(findings):
        err.print(case, style="red", markup=False, highlight=False, soft_wrap=True)
    if not findings.proven:
        raise typer.Exit(1)
    shutil.rmtree(folder)


# --- the model


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="CONFIG", help="As config/train.yaml.")],
    stage: Annotated[list[str] | None, typer.Option(help="Train this stage alone; may be repeated.")] = None,
) -> None:
    """Train a model by a recipe; goes on where it was interrupted."""
    from gateway.training.train import train as run

    with _stages() as progress:
        folder = run(recipe, progress, stage or ())
    made = "the stages are" if stage else "the model, its card, figures and plots are"
    out.print(f"{made} in {folder}", soft_wrap=True)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Card, folder or .pth; `shipped` is the gateway's own.")],
    dataset: Annotated[Path, typer.Argument(help="A folder with one sub-folder of images for each class.")],
    config: Config = None,
) -> None:
    """Measure a model on labelled images; print the figures as JSON."""
    from gateway.training.evaluation.evaluate import evaluate as run

    settings = load_settings(config).model
    path = None if model == "shipped" else Path(model)
    with _stages() as progress:
        figures = run(path, dataset, device=settings.device, threads=settings.threads, progress=progress)
    _print_json(figures)


# --- what happened


@app.command(name="list")
def list_instances(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    state: Annotated[State | None, typer.Option(help="Only images in this state.")] = None,
    study: Annotated[str | None, typer.Option(help="Only this Study Instance UID.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List received images, newest first."""
    from gateway.commands.history import local

    rows = _inquiry(config).instances(limit=limit, state=state, study_instance_uid=study)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        outcome = " ".join(filter(None, (row["label"], row["reason"])))
        sys.stdout.write(
            f"{local(row['received_at'])}  {row['calling_ae_title']:<16}  {row['state']:<10}  "
            f"{outcome:<18}  {_score(row):<5}  {row['sop_instance_uid']}\n"
        )


@app.command()
def show(uid: str, as_json: AsJson = False, config: Config = None) -> None:
    """Tell what happened to one image, and why."""
    from gateway.commands.history import account_of, refusal_of
    from gateway.store.refusals import Refusals

    try:
        ledger = _open(config)[1]
    except NoGatewayYet as error:
        raise GatewayError(f"{uid}: no image with this SOP Instance UID was received; {error}") from None
    versions = _versions(ledger, uid)
    if as_json:
        _print_json(versions)
        return

    for version in versions:
        out.print(account_of(version), markup=False, highlight=False, soft_wrap=True)
    for row in Refusals(ledger).of(uid):
        out.print(refusal_of(row), markup=False, highlight=False, soft_wrap=True)


@app.command()
def refusals(
    limit: Annotated[int, typer.Option(min=1, help="How many, the last first.")] = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List images that were refused and associations that were rejected, the last first, and why."""
    from gateway.commands.history import refusal_of
    from gateway.store.refusals import Refusals

    rows = Refusals(_open(config)[1]).newest(limit)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        sys.stdout.write(f"{refusal_of(row)}\n")


# --- once more


@app.command()
def retry(
    uid: Annotated[str | None, typer.Argument(help="SOP Instance UID of an image.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Everything that has failed.")] = False,
    config: Config = None,
) -> None:
    """Begin anew what has failed: deliveries that were given up, images without an answer."""
    from gateway.store.again import Again

    if (uid is None) != failed:
        raise ConfigurationError("state the SOP Instance UID of an image, or --failed")
    settings, ledger = _open(config)
    begun = Again(ledger).retry(uid, settings.destinations_for)
    if uid is not None and not (begun.images or begun.deliveries or begun.unrouted):
        _versions(ledger, uid)
        raise GatewayError(f"{uid}: nothing to retry: it has not failed, or its files have been deleted")
    out.print(f"{begun.deliveries} deliveries and {begun.images} images begin anew", soft_wrap=True)
    _fail_unrouted(begun.unrouted)


@app.command()
def resend(
    uid: Annotated[str | None, typer.Argument(help="SOP Instance UID of an image.")] = None,
    study: Annotated[str | None, typer.Option(help="All images of this Study Instance UID.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="All received since then, local time."),
    ] = None,
    destination: Annotated[
        str | None, typer.Option(help="Only to this one, also if it is new; default: as routed now.")
    ] = None,
    config: Config = None,
) -> None:
    """Send results again that were delivered: to a PACS that has lost them, or to a new one."""
    from gateway.store.requeue import Choice
    from gateway.store.requeue import resend as send_again

    if uid is None and study is None and since is None:
        raise ConfigurationError("state the SOP Instance UID of an image, --study or --since")
    settings, ledger = _open(config)
    names = [each.name for each in settings.destinations]
    if destination is not None and destination not in names:
        raise ConfigurationError(
            f"{destination}: no such destination; there are {', '.join(names) or 'none'}"
        )
    if uid is not None:
        _versions(ledger, uid)
    route = settings.destinations_for if destination is None else lambda _: (destination,)
    sent = send_again(ledger, Choice(uid, study, since.astimezone() if since else None), route)
    out.print(f"requeued {sent.deliveries} deliveries of {sent.images} images", soft_wrap=True)
    if sent.deleted:
        err.print(f"{sent.deleted} images have no results any more; gateway reprocess makes them anew")
    _fail_unrouted(sent.unrouted)
    if not sent.deliveries:
        raise GatewayError("nothing to send: no results, or all of them are on their way already")


@app.command()
def reprocess(uid: str, config: Config = None) -> None:
    """Let the present model and configuration answer an image again, in place of an earlier answer."""
    from gateway.worker.reprocess import reprocess as begin

    settings, ledger = _open(config)
    told = begin(settings, ledger, _versions(ledger, uid))
    out.print(f"{uid}: {told}", highlight=False, soft_wrap=True)


# --- readers


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="CSV", help="Where to write; - is standard output.")],
    comments: Annotated[
        bool, typer.Option("--comments", help="Also the comments: free text, which may name a patient.")
    ] = False,
    config: Config = None,
) -> None:
    """Write the readers' feedback as CSV, de-identified."""
    from gateway.store.export import export as write
    from gateway.store.key_file import key_in
    from gateway.store.readings import Readings
    from gateway.telemetry.log import log_event, open_log

    settings, ledger = _open(config)
    key = key_in(settings.data_dir / "run" / "export.key")
    try:
        with sys.stdout if str(file) == "-" else file.open("w", newline="", encoding="utf-8") as target:
            count = write(Readings(ledger), target, key, comments=comments)
    except OSError as error:
        raise GatewayError(f"{file}: {error.strerror}") from None
    open_log(settings.data_dir, role="export")
    log_event("exported", what="feedback", readings=count, comments=comments)
    err.print(f"{count} readings written", highlight=False)


@app.command(name="hash-password")
def hash_password() -> None:
    """Ask for a password and print what `web.users` keeps in place of it."""
    from gateway.web.security.passwords import hash_password as hashed

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=sys.stdin.isatty(), err=True)
    sys.stdout.write(f"{hashed(password)}\n")


# --- settings


@config_app.command()
def check(config: Config = None) -> None:
    """Say whether the settings are right; list every problem."""
    check_settings(config)
    from gateway.configuration.routing import gaps

    for sender in gaps(_settings(config)):
        told = "no route leads anywhere: answers are kept, not delivered; state one under routes"
        err.print(
            f"routes: for {sender} {told}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )
    out.print("the settings are right")


@config_app.command(name="show")
def show_settings(config: Config = None) -> None:
    """Print the settings in force, file and environment together."""
    settings = _settings(config)
    content = without_secrets(settings.model_dump(mode="json"))
    sys.stdout.write(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


@app.command()
def doctor(as_json: AsJson = False, config: Config = None) -> None:
    """Examine settings, disk, database, ports, model and every destination; say what to change where."""
    from gateway.doctor.examine import examine
    from gateway.doctor.finding import Verdict

    settings = _settings(config)
    with err.status("examining"):
        findings = list(examine(settings))
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        _print_findings(findings)
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise typer.Exit(1)


@app.command()
def health(config: Config = None) -> None:
    """Say whether every role of the gateway on this machine serves: for containers and monitors."""
    from gateway.telemetry.role_status import read_role_call

    roles = read_role_call(load_settings(config).data_dir)
    failing = [f"{name} is {role.state}" for name, role in sorted(roles.items()) if role.state != "serving"]
    if failing or not roles:
        raise GatewayError("; ".join(failing) or "no gateway runs here")
    out.print(f"{', '.join(sorted(roles))}: all serve", highlight=False)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


# --- pieces


def _settings(config: Path | None, *, told: bool = False) -> Settings:
    """Load the settings; say where there is no file of them, unless that has been told."""
    settings = load_settings(config)
    if not told and file_in_use(config) is None:
        problem = f"no {DEFAULT_FILE} here: the defaults serve, and data is kept in {settings.data_dir}"
        err.print(f"gateway: {problem}", markup=False, highlight=False, soft_wrap=True)
    return settings


def _open(config: Path | None) -> tuple[Settings, Any]:
    """Return the settings and the ledger as it is: no command makes one."""
    from gateway.processes.roles import look_into_database

    settings = _settings(config)
    return settings, look_into_database(settings)[1]


def _versions(ledger: Any, uid: str) -> list[dict[str, Any]]:
    from gateway.commands.history import refusal_of
    from gateway.store.inquiry import Inquiry
    from gateway.store.refusals import Refusals

    versions: list[dict[str, Any]] = Inquiry(ledger).instance(uid)
    if not versions:
        refused = "".join(f"\n{refusal_of(row)}" for row in Refusals(ledger).of(uid))
        raise GatewayError(f"{uid}: no image with this SOP Instance UID was received{refused}")
    return versions


def _fail_unrouted(titles: Sequence[str]) -> None:
    if titles:
        named = ", ".join(titles)
        raise GatewayError(
            f"no route matches {named}: state one under routes, then run gateway retry --failed"
        )


def _inquiry(config: Path | None) -> Any:
    from gateway.store.inquiry import Inquiry

    return Inquiry(_open(config)[1])


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def _stages() -> Iterator[Any]:
    """Show long work that names its stages as it comes to them."""
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("")

        def tell(done: int, total: int, what: str) -> None:
            progress.update(task, completed=done, total=total, description=what)

        yield tell


def _print_findings(findings: list[Any]) -> None:
    colours = {"good": "green", "doubtful": "yellow", "wrong": "red"}
    table = Table("what", "", "is", "what to change, and where", box=box.SIMPLE)
    for finding in findings:
        verdict = Text(finding.verdict, colours[finding.verdict])
        table.add_row(Text(finding.what), verdict, Text(finding.told), Text(finding.advice))
    Console(width=None if out.is_terminal else WIDTH).print(table)


def _score(row: dict[str, Any]) -> str:
    return f"{row['probabilities']['Pneumonia']:.3f}" if row["probabilities"] else ""


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
