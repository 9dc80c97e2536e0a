"""TURNS: processor time an image of several gateways that answer in turns: what a change costs or saves.

`python -m benchmarks.turns --other WHAT …` compares the gateway of this checkout with others, on a machine
that may have other work to do. WHAT says how one of them differs, in words apart by spaces:
`scp.processes=2` is a setting, `NAME=VALUE` a variable of the environment, and a path is another checkout.
All gateways run all the time, deliver SR and SC to a storescp, and take turns with the same images. The
operating system accounts the processor time; wall clock is printed, but depends on what else runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.dcmtk import storescp
from benchmarks.end_to_end import gateway_of_pacs, run
from benchmarks.processes import each, processor_ms
from tests.support.gateway_process import GatewayProcess

RATE = "images/s"


@dataclass(frozen=True, slots=True)
class Runner:
    """One of the gateways, and its turns: processor time by process in ms an image, and images/s."""

    name: str
    gateway: GatewayProcess
    root: Path
    turns: list[dict[str, float]] = field(default_factory=list)

    def take_turn(self, senders: int, images: int) -> None:
        """Send images and wait for their answers."""
        before = processor_ms(self.gateway.process.pid)
        course = run(self.root / "sent", self.gateway.node, self.root / "pacs", senders, images)
        spent = each(before, processor_ms(self.gateway.process.pid), images)
        self.turns.append(spent | {"all": sum(spent.values()), RATE: course.images_per_second})


@contextmanager
def runner(what: str, root: Path) -> Iterator[Runner]:
    """Run one gateway; `what` says how it differs."""
    tree, environment, settings = _read(what.split())
    (root / "pacs").mkdir(parents=True)
    with storescp(root / "pacs") as listener:
        run_gateway = gateway_of_pacs(root, listener.port, environment=environment, **settings)
        with ExitStack() as stack:
            with chdir(tree):  # its processes look there for a module first
                gateway = stack.enter_context(run_gateway)
            yield Runner(what or "as it is", gateway, root)
            gateway.stop()


def _read(words: Sequence[str]) -> tuple[Path, dict[str, str], dict[str, Any]]:
    """Return checkout, environment and settings."""
    tree, environment, settings = Path.cwd(), {}, dict[str, Any]()
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair:
            tree = Path(word).resolve()
        elif key.isupper():
            environment[key] = value
        else:
            _set(settings, key, yaml.safe_load(value))
    paths = os.pathsep.join(filter(None, [str(tree), environment.get("PYTHONPATH")]))
    return tree, environment | {"PYTHONPATH": paths}, settings


def _set(settings: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
    settings[last] = value


def measure(runners: Sequence[Runner], senders: int, images: int, turns: int) -> None:
    """Give each gateway its turns, the order reversed each time; the first turn of each does not count."""
    for number in range(turns + 1):
        for one in runners[:: 1 if number % 2 else -1]:
            one.take_turn(senders, images)
    for one in runners:
        del one.turns[:-turns]


def main(
    other: Annotated[list[str] | None, typer.Option(help="How another gateway differs.")] = None,
    senders: Annotated[str, typer.Option(help="Senders of each comparison.")] = "1,4",
    images: Annotated[int, typer.Option(help="Images of a turn.")] = 24,
    turns: Annotated[int, typer.Option(help="Turns of each gateway.")] = 4,
) -> None:
    """Print the processor time of each gateway: the middle of its turns, and the least."""
    console = Console(width=140, highlight=False)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary, ExitStack() as stack:
        runners = [
            stack.enter_context(runner(what, Path(temporary) / str(number)))
            for number, what in enumerate(["", *(other or ())])
        ]
        for count in map(int, senders.split(",")):
            measure(runners, count, images, turns)
            console.print(_table(count, runners))


def _table(senders: int, runners: Sequence[Runner]) -> Table:
    names = sorted(set().union(*(turn for one in runners for turn in one.turns)))
    title = f"{senders} sender{'s' * (senders > 1)}, ms an image: middle (least)"
    table = Table("gateway", *names, box=box.SIMPLE, title=title)
    for one in runners:
        values = [[turn.get(name, 0.0) for turn in one.turns] for name in names]
        table.add_row(one.name, *(f"{median(each):.1f} ({min(each):.1f})" for each in values))
    return table


if __name__ == "__main__":
    typer.run(main)
