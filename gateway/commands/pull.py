"""`gateway pull`: fetches studies from a source on demand, and shows what became of them."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.console import counted, err, out, print_json
from gateway.commands.opening import open_ledger, open_ledger_to_change, open_settings
from gateway.commands.options import AsJson, Config, Supervised
from gateway.errors import ConfigurationError, GatewayError

if TYPE_CHECKING:
    from gateway.pull.puller import Puller
    from gateway.pull.query import Query
    from gateway.settings import Settings
    from gateway.store.entries import PullView
    from gateway.store.ledger import Ledger

_LISTED = 100

From = Annotated[str | None, typer.Option("--from", metavar="SOURCE", help="Source; default: the only one.")]
Dates = Annotated[
    str | None, typer.Option("--date", metavar="DAY[..DAY]", help="Study dates, as 2026-11-01..2026-11-30.")
]
Accession = Annotated[str | None, typer.Option("--accession", metavar="NUMBER", help="Accession number.")]
Patient = Annotated[str | None, typer.Option("--patient", metavar="ID", help="Patient ID.")]
Study = Annotated[str | None, typer.Option("--study", metavar="UID", help="Study Instance UID.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Search and list; fetch and record nothing.")]
Listing = Annotated[bool, typer.Option("--list", help="List studies, last changed first; ask no source.")]
Shown = Annotated[
    str | None, typer.Option("--show", metavar="UID", help="Show a study and its missing instances.")
]
StateName = Annotated[str | None, typer.Option("--state", help="With --list: only studies in this state.")]
BySchedule = Annotated[bool, typer.Option("--by-schedule", help="Run the role `pull` alone, until SIGTERM.")]
Limit = Annotated[int, typer.Option(min=1, help="With --list: how many.")]


def pull(
    source: From = None,
    date: Dates = None,
    accession: Accession = None,
    patient: Patient = None,
    study: Study = None,
    dry_run: DryRun = False,
    listing: Listing = False,
    show: Shown = None,
    state: StateName = None,
    limit: Limit = _LISTED,
    by_schedule: BySchedule = False,
    as_json: AsJson = False,
    supervised: Supervised = False,
    config: Config = None,
) -> None:
    """Fetch radiographs from a source, or go on with what is due.

    --list and --show ask no source.

    A study is complete when every instance that the source lists is here. Started again after any end, the
    command goes on where it was.
    """
    if by_schedule:
        from gateway.processes import roles

        roles.pull(open_settings(config, quiet=supervised), supervised=supervised)
    if listing or show:
        _print_views(open_ledger(config)[1], source, show, state, limit, as_json=as_json)
        return
    settings, ledger = open_ledger_to_change(config, "pull")
    name = _name_of(settings, source)
    query = _query(date, accession, patient, study)
    with _pulling(settings, ledger, name) as puller:
        if dry_run:
            _list_only(puller, query, as_json=as_json)
        else:
            _fetch(puller, ledger, query, as_json=as_json)


@contextmanager
def _pulling(settings: Settings, ledger: Ledger, name: str) -> Iterator[Puller]:
    """Yield the puller of a source; SIGTERM, Ctrl-C and the end of the terminal end it in order."""
    from gateway.processes.lifetime import heed_signals
    from gateway.processes.pullers import pullers_of
    from gateway.telemetry.audit import trail

    stopping = threading.Event()
    before = heed_signals(stopping)
    trail.open_trail(settings)
    try:
        with settings.directory.writing():
            puller = pullers_of(settings, ledger, stopping)[name]
        yield puller
    finally:
        trail.close_trail()
        for number, handler in before.items():
            signal.signal(number, handler)


def _list_only(puller: Puller, query: Query | None, *, as_json: bool) -> None:
    if query is None:
        raise ConfigurationError("--dry-run: state --date, --accession, --patient or --study")
    rows = []
    for found in puller.search(query):
        listing = puller.look_into(found.study_instance_uid)
        rows.append(
            {
                "study_instance_uid": found.study_instance_uid,
                "study_date": found.study_date,
                "modalities": list(found.modalities),
                "instances": found.instances,
                "wanted": len(listing.wanted),
                "not_wanted": listing.refused,
            }
        )
        if not as_json:
            why = ", ".join(f"{count} {reason}" for reason, count in listing.refused.items())
            modalities = "/".join(found.modalities) or "?"
            sys.stdout.write(
                f"{found.study_date or '?':<8}  {modalities:<8}  {len(listing.wanted):>4} wanted"
                f"{f', not wanted: {why}' if why else ''}  {found.study_instance_uid}\n"
            )
    if as_json:
        print_json(rows)
    err.print(f"{len(rows)} studies may hold radiographs; nothing was fetched", highlight=False)


def _fetch(puller: Puller, ledger: Ledger, query: Query | None, *, as_json: bool) -> None:
    from gateway.store.entries import Pull, PullState
    from gateway.store.pulls import Pulls

    uids: list[str] | None = None
    if query is not None:
        found, uids = puller.find(query, by_hand=True)
        err.print(f"{found} studies may hold radiographs, {len(uids)} are due", highlight=False)
    ended: dict[str, int] = {}

    def note(pull: Pull) -> None:
        ended[pull.state] = ended.get(pull.state, 0) + 1
        advance()

    with counted(puller.name, len(uids) if uids is not None else 0) as advance:
        puller.run(note, uids)
    told = ", ".join(f"{count} {state}" for state, count in sorted(ended.items()))
    if as_json:
        print_json(ended)
    else:
        out.print(told.replace("_", " ") or "nothing was due", highlight=False, soft_wrap=True)
    incomplete = ended.get(PullState.PARTIAL, 0) + ended.get(PullState.GIVEN_UP, 0)
    if incomplete:
        (first, *_) = Pulls(ledger).newest(1, source=puller.name)
        raise GatewayError(
            f"{incomplete} studies are not complete ({first.pull.detail}); gateway pull --list names them,"
            " gateway pull --show UID what is missing"
        )


def _print_views(
    ledger: Ledger, source: str | None, show: str | None, state: str | None, limit: int, *, as_json: bool
) -> None:
    from gateway.store.entries import PullState
    from gateway.store.pulls import Pulls
    from gateway.yaml_files.wording import did_you_mean

    if state is not None and state not in list(PullState):
        states = [str(each) for each in PullState]
        raise ConfigurationError(f"--state: there are {', '.join(states)}{did_you_mean(state, states)}")
    chosen = PullState(state) if state else None
    pulls = Pulls(ledger)
    views = pulls.of_study(show) if show else pulls.newest(limit, source=source, state=chosen)
    if show and not views:
        raise GatewayError(f"{show}: no study with this Study Instance UID was found at a source")
    if as_json:
        print_json([asdict(view) for view in views])
        return
    for view in views:
        sys.stdout.write(_line(view))
        if show:
            sys.stdout.write("".join(f"  missing  {uid}\n" for uid in view.missing))


def _line(view: PullView) -> str:
    from gateway.commands.history import local
    from gateway.peer_text import clean

    pull, here = view.pull, view.listed - len(view.missing)
    detail = f"  {clean(pull.detail)}" if pull.detail else ""
    return (
        f"{local(pull.state_at)}  {pull.source}  {pull.state:<10}  {here}/{view.listed}"
        f"  {pull.study_instance_uid}{detail}\n"
    )


def _name_of(settings: Settings, source: str | None) -> str:
    from gateway.yaml_files.wording import did_you_mean

    names = [each.name for each in settings.sources]
    if not names:
        raise ConfigurationError("sources: there is none; state one in the settings")
    if source is None and len(names) > 1:
        raise ConfigurationError(f"--from: there are {', '.join(names)}; state one")
    if source is not None and source not in names:
        told = f"{source}: no such source; there are {', '.join(names)}"
        raise ConfigurationError(f"--from {told}{did_you_mean(source, names)}")
    return source or names[0]


def _query(dates: str | None, accession: str | None, patient: str | None, study: str | None) -> Query | None:
    from gateway.pull.query import Period, Query

    for option, value in (("--accession", accession), ("--patient", patient), ("--study", study)):
        if value is not None and (not value.strip() or re.search(r"[*?\\]", value) or len(value) > 64):
            raise ConfigurationError(f"{option}: state one whole identifier, without * ? and \\")
    if not any((dates, accession, patient, study)):
        return None
    period = Period(*_days(dates)) if dates else None
    return Query(period, accession, patient, study)


def _days(dates: str) -> tuple[date, date]:
    first, dots, last = dates.partition("..")
    try:
        begin, end = date.fromisoformat(first.strip()), date.fromisoformat((last if dots else first).strip())
    except ValueError:
        raise ConfigurationError(f"--date {dates}: write 2026-11-01 or 2026-11-01..2026-11-30") from None
    if end < begin:
        raise ConfigurationError(f"--date {dates}: the first day is after the last")
    return begin, end
