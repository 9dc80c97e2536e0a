"""Formats the findings as a table and as sentences. `gateway prove` prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from gateway.proof.conduct import Findings
from gateway.proof.course import Fault

MOST_CASES = 20


def table_of(findings: Findings, faults: str = "kills") -> Table:
    """Return the table of kills, or other `faults`, and counts."""
    verdict = findings.verdict
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for words, count in kinds_of(findings.kills):
        table.add_row(words, str(count))
    table.add_section()
    for words, count in (
        (faults, len(findings.kills)),
        ("acknowledged", verdict.acknowledged),
        ("answered", verdict.answered),
        ("lost", len(verdict.lost)),
        ("duplicated result objects", len(verdict.duplicated)),
        ("re-sent result objects", verdict.resent),
        ("ended without being killed, or a bug", len(findings.mishaps)),
    ):
        table.add_row(words, str(count))
    table.add_row("seconds", f"{findings.seconds:.0f}")
    return table


def kinds_of(faults: Sequence[Fault]) -> list[tuple[str, int]]:
    """Return the number of faults by place, then by victim."""
    places = Counter(fault.place for fault in faults)
    victims = Counter(fault.whom for fault in faults)
    return [*sorted(places.items()), *((f"of them, {name}", count) for name, count in victims.items())]


def cases_of(findings: Findings) -> list[str]:
    """Return the first `MOST_CASES` failures, one sentence each."""
    verdict = findings.verdict
    cases = [f"lost: {case}" for case in verdict.lost]
    cases += [f"duplicated: {case}" for case in verdict.duplicated]
    return [*cases, *findings.mishaps][:MOST_CASES]
