"""Examines the sources of studies. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.finding import Finding, doubtful, good
from gateway.errors import GatewayError
from gateway.pull.examination import examine_source
from gateway.settings import DicomSource, Settings
from gateway.store.entries import PullState
from gateway.store.opening import look_into_database
from gateway.store.pulls import Pulls
from gateway.store.source_rows import SourceRows


def sources(settings: Settings) -> Iterator[Finding]:
    """Ask each source in turn, and name studies that were given up."""
    for source in settings.sources:
        yield from examine_source(source, settings)
        if isinstance(source, DicomSource) and source.retrieve == "move":
            yield from _peer(source, settings)
    if settings.sources:
        yield from _studies(settings)


def _peer(source: DicomSource, settings: Settings) -> Iterator[Finding]:
    titles = {peer.ae_title for peer in settings.scp.peers}
    if titles and source.ae_title not in titles:
        advice = f"here: name {source.ae_title} under scp.peers, with the address from which it sends"
        yield doubtful(f"source {source.name}", "the listener rejects what it sends by C-MOVE", advice)


def _studies(settings: Settings) -> Iterator[Finding]:
    try:
        engine, ledger = look_into_database(settings)
    except GatewayError:  # the check of the database says why
        return
    try:
        counts, away = Pulls(ledger).counts(), SourceRows(ledger).all()
    except GatewayError:
        return
    finally:
        engine.dispose()
    for row in away:
        if row.error is not None:
            told = f"was away at the last attempt of the role pull: {row.error}"
            yield doubtful(f"source {row.name}", told, "see above what it says now")
    for name, states in sorted(counts.items()):
        told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in sorted(states.items()))
        if states.get(PullState.GIVEN_UP):
            advice = "here: gateway pull --list --state given_up; there: does it still have them?"
            yield doubtful(f"studies of {name}", told, advice)
        else:
            yield good(f"studies of {name}", told)
