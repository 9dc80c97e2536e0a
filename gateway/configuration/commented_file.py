"""The commented settings file: every key with its default, meaning and unit.

`python -m gateway.configuration.commented_file` writes config/gateway.yaml from `gateway/settings/`:
defaults from the fields, comments from the docstrings under them. A test compares the two.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import gateway.settings
from gateway.configuration.settings_file import DEFAULT_FILE
from gateway.settings import (
    DicomDestination,
    DicomSource,
    HL7Destination,
    Section,
    Settings,
    StowDestination,
    WebSource,
    destinations,
    messages,
    model,
    scp,
    section,
    sources,
    web_server,
)

HEAD = """\
# CXR Gateway settings. Every key is optional and has the default stated here.
# The environment overrides this file: GATEWAY_SCP__PORT=4242, GATEWAY_DATA_DIR=/srv/gateway, …
# `gateway config check` lists every problem at once; `gateway config show` prints the settings in force.
"""
_PACS = {"name": "pacs", "kind": "dicom", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": 4242}
EXAMPLES: dict[str, tuple[tuple[type[Section], dict[str, Any]], ...]] = {
    "destinations": (
        (DicomDestination, _PACS),
        (StowDestination, {"name": "archive", "kind": "stow", "url": "https://pacs.example/dicom-web"}),
        (HL7Destination, {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 2575}),
    ),
    "sources": (
        (DicomSource, _PACS),
        (WebSource, {"name": "archive", "kind": "dicomweb", "url": "https://pacs.example/dicom-web"}),
    ),
}
COLUMN = 34  # of the comments
WIDTH = 110


def commented_file() -> str:
    """Return the text of config/gateway.yaml."""
    meanings = field_docstrings()
    defaults = Settings.model_construct().model_dump(mode="json")
    lines = [HEAD]
    for key, value in defaults.items():
        meaning = meanings["Settings"][key]
        section = type(getattr(Settings.model_construct(), key))
        if isinstance(value, dict):
            lines += [*_line(f"{key}:", meaning), *_section(value, meanings[section.__name__]), ""]
        elif isinstance(value, list):
            lines += [*_line(f"{key}:{'' if value else ' []'}", meaning)]
            lines += [*(f"  - {_flow(item)}" for item in value), *_examples(key, meanings), ""]
        else:
            lines += _line(f"{key}: {_flow(value)}", meaning)
    return "\n".join(lines) + "\n"


def field_docstrings() -> dict[str, dict[str, str]]:
    """Return the docstring under each field of the settings, by class and field."""
    modules = gateway.settings, scp, model, destinations, messages, sources, web_server, section
    trees = (ast.parse(inspect.getsource(module)) for module in modules)
    return {
        node.name: dict(_documented(node))
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _documented(section: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(section.body, section.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())


def _section(values: Mapping[str, Any], meanings: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        yield from _line(f"  {key}: {_flow(value)}", meanings[key])


def _examples(key: str, meanings: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for kind, example in EXAMPLES.get(key, ()):
        optional = {name: field.default for name, field in kind.model_fields.items() if name not in example}
        for number, (key, value) in enumerate({**example, **optional}.items()):
            bullet = " " if number else "-"
            stated = [meanings.get(each.__name__, {}) for each in kind.__mro__]
            (meaning,) = [each[key] for each in stated if key in each]
            for line in _line(f"  {bullet} {key}: {_flow(value)}", meaning):
                yield f"  #{line[1:]}"


def _line(left: str, meaning: str) -> list[str]:
    """Return a key with its meaning beside it, on as many lines as the meaning needs."""
    first, *others = textwrap.wrap(meaning, WIDTH - COLUMN - 2)
    return [f"{left:<{COLUMN - 1}} # {first}", *(f"{'':<{COLUMN - 1}} # {other}" for other in others)]


def _flow(value: Any) -> str:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    text = yaml.safe_dump(whole, default_flow_style=True, sort_keys=False, width=WIDTH)
    return text.removesuffix("...\n").strip()


if __name__ == "__main__":
    (Path(__file__).parents[2] / DEFAULT_FILE).write_text(commented_file())
