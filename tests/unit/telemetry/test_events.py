"""The events: one list in the code, the same in the documentation, every one of them in use."""

import ast
from pathlib import Path

import pytest

from gateway.telemetry import events
from gateway.telemetry.events import Event

ROOT = Path(events.__file__).parents[2]
HEADING = "## Log events"


def documented() -> list[tuple[str, ...]]:
    text = (ROOT / "docs" / "operations" / "watch.md").read_text()
    section = text.split(f"{HEADING}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [(name.strip("`"), *others) for name, *others in rows]


def used() -> set[str]:
    modules = [ast.parse(path.read_text()) for path in (ROOT / "gateway").rglob("*.py")]
    attributes = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.Attribute)]
    return {each.attr for each in attributes if isinstance(each.value, ast.Name) and each.value.id == "Event"}


def test_the_documentation_lists_the_events_with_level_and_meaning() -> None:
    assert documented() == [(event.value, event.level.value, event.meaning) for event in Event]


@pytest.mark.parametrize("event", Event)
def test_a_name_is_the_member_in_lower_case(event: Event) -> None:
    assert event == event.name.lower()
    assert Event(event.value) is event
    assert event.meaning


def test_every_event_is_used() -> None:
    assert {event.name for event in Event} - used() == set()
