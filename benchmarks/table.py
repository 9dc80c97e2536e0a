"""Formats the figures as a table for a terminal, as Markdown or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure

WIDTH = 120  # without a terminal
NOTES = (
    "Images are DX, 2500 × 2048, 12 bits in 16, 10 MB; the gateway answers each with an SR and an SC.",
    "End to end, the senders and the receiving storescp share the cores with the gateway; the bare model "
    "had them alone.",
    "0x0000 to SR is measured at half of the full speed: the time of an answer, not of the queue.",
)
BEGIN, END = "<!-- figures of `make bench` -->", "<!-- end of the figures -->"
HEADER = ("figure", "gateway", "yardstick", "", "ratio")


def print_table(machine: str, figures: Sequence[Figure], *, markdown: bool) -> None:
    """Print machine and figures, as a table or as Markdown."""
    if markdown:
        print(_markdown(machine, figures))
        return
    table = Table(*HEADER, box=box.SIMPLE)
    for column in (1, 3, 4):
        table.columns[column].justify = "right"
    for figure in figures:
        table.add_row(*_cells(figure))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(machine)
    console.print(table)
    console.print("\n".join(NOTES))


def write_document(document: Path, machine: str, figures: Sequence[Figure]) -> None:
    """Replace the figures of a Markdown document, between its two comments."""
    before, rest = document.read_text().split(BEGIN)
    _, after = rest.split(END)
    document.write_text(f"{before}{BEGIN}\n\n{_markdown(machine, figures)}\n\n{END}{after}")


def to_json(machine: str, figures: Sequence[Figure]) -> str:
    """Return machine and figures, unrounded, as JSON."""
    lines = [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
    return json.dumps({"machine": machine, "figures": lines}, indent=2) + "\n"


def _markdown(machine: str, figures: Sequence[Figure]) -> str:
    rows = [HEADER, ("---", "---:", "---", "---:", "---:"), *map(_cells, figures)]
    table = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([f"Run: {machine}.", "", *table, "", *NOTES])


def _cells(figure: Figure) -> tuple[str, ...]:
    value = f"{_number(figure.value)} {figure.unit}"
    if figure.yardstick is None or figure.ratio is None:
        return (figure.name, value, "", "", "")
    yardstick = f"{_number(figure.yardstick.value)} {figure.unit}"
    return (figure.name, value, figure.yardstick.name, yardstick, f"{figure.ratio:.2f}")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
