"""Commands, settings, states and examples in the documents are those of the code."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from gateway.commands.app import COMMANDS, CONFIG_COMMANDS, MODEL_COMMANDS
from gateway.configuration.problems import WORDING
from gateway.configuration.settings_file import check_settings
from gateway.errors import ConfigurationError
from gateway.records.states import State
from gateway.settings import FolderStore, S3Store, Settings
from gateway.store.entries import PullState
from tests.unit.test_documents import PRESENT, ROOT

OPERATIONS = ROOT / "docs" / "operations"
LONGEST = 180
COMMANDS_OF_GROUPS = {"config": CONFIG_COMMANDS, "model": MODEL_COMMANDS}
ALL_COMMANDS = {
    *COMMANDS,
    *(f"{group} {name}" for group, names in COMMANDS_OF_GROUPS.items() for name in names),
}
BY_OPTION = {"version"}  # `gateway --version` is documented
STORES = (FolderStore, S3Store)
SETTINGS = {*WORDING.names(), *(f"store.{key}" for store in STORES for key in store.model_fields)}
CODE = re.compile(r"```\w*\n.*?```|`[^`\n]+(?:\n[^`\n]+)?`", re.DOTALL)
COMMAND = re.compile(r"(?<![\w./-])gateway ((?:(?:config|model) )?[a-z][a-z-]*)")
SETTING = re.compile(rf"`((?:{'|'.join(Settings.model_fields)})\.(?!yaml|safetensors|md)[a-z_0-9]+)")
NAME_IN_FILE = re.compile(r"`([\w.]+)`(?: and `\w+`)? (?:in|of) `((?:gateway|tests)/[\w/.-]+\.py)`")
EXAMPLE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
OF_THE_SITE = ("does not exist", "no destination is named", "`gateway hash-password` prints")
"""Problems that an example may have: its files, the destinations of another example, a password."""


def documents_with(pattern: re.Pattern[str]) -> list[tuple[Path, str]]:
    return [(path, each) for path in PRESENT for each in pattern.findall(path.read_text())]


def examples() -> list[tuple[Path, str]]:
    """Return the examples that are settings."""
    return [
        (path, text)
        for path, text in documents_with(EXAMPLE)
        if not text.startswith("---") and yaml.safe_load(text).keys() <= Settings.model_fields.keys()
    ]


def test_a_document_of_operations_is_read_at_once() -> None:
    assert [path.name for path in OPERATIONS.iterdir() if len(path.read_text().splitlines()) > LONGEST] == []


def test_the_index_of_operations_names_every_document() -> None:
    named = re.findall(r"\]\((\w[\w-]*\.md)\)", (OPERATIONS / "README.md").read_text())
    assert set(named) == {path.name for path in OPERATIONS.iterdir()} - {"README.md"}


def test_commands_that_are_named_exist() -> None:
    named = [(path.name, command) for path, code in documents_with(CODE) for command in COMMAND.findall(code)]
    assert [each for each in named if each[1] not in ALL_COMMANDS] == []


def test_every_command_is_in_the_table_of_commands() -> None:
    table = [line for line in (OPERATIONS / "commands.md").read_text().splitlines() if line.startswith("|")]
    named = re.findall(r"`(?:gateway )?((?:(?:config|model) )?[a-z-]+)", "\n".join(table))
    assert ALL_COMMANDS - BY_OPTION - set(named) == set()


def test_the_architecture_names_every_part() -> None:
    parts = {
        path
        for path in (ROOT / "gateway").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert [part.name for part in parts if part.stem[0] != "_" and f"`{part.name}" not in text] == []


def test_names_are_in_the_files_that_are_named_for_them() -> None:
    named = [each for path in PRESENT for each in NAME_IN_FILE.findall(" ".join(path.read_text().split()))]
    assert named
    texts = {file: (ROOT / file).read_text() for _, file in named}
    assert [each for each in named if not all(part in texts[each[1]] for part in each[0].split("."))] == []


def test_settings_that_are_named_exist() -> None:
    named = [(path.name, setting) for path, setting in documents_with(SETTING)]
    assert [each for each in named if each[1] not in SETTINGS] == []


@pytest.mark.parametrize(("document", "states"), [("symptoms.md", State), ("pull.md", PullState)])
def test_every_state_has_its_row(document: str, states: type[StrEnum]) -> None:
    section = (OPERATIONS / document).read_text().split("\n## States of a", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(states)


@pytest.mark.parametrize("text", [text for _, text in examples()], ids=[path.name for path, _ in examples()])
def test_an_example_is_valid(text: str, tmp_path: Path) -> None:
    file, warnings = tmp_path / "gateway.yaml", list[str]()
    file.write_text(text)
    problems = ""
    try:
        check_settings(file, warnings.append)
    except ConfigurationError as error:
        problems = str(error)
    assert [each for each in problems.splitlines() if not any(told in each for told in OF_THE_SITE)] == []
    assert warnings == []
