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

from gateway.configuration.settings_file import DEFAULT_FILE
from gateway.settings import (
    DicomDestination,
    DicomSource,
    FHIRDestination,
    HL7Destination,
    S3Store,
    Section,
    Settings,
    StowDestination,
    WebSource,
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
        (FHIRDestination, {"name": "ehr", "kind": "fhir", "url": "https://ehr.example/fhir"}),
        (HL7Destination, {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 2575}),
    ),
    "sources": (
        (DicomSource, _PACS),
        (WebSource, {"name": "archive", "kind": "dicomweb", "url": "https://pacs.example/dicom-web"}),
    ),
}
S3_EXAMPLE = {"kind": "s3", "bucket": "cxr-gateway"}
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
            lines += [*_line(f"{key}:", meaning), *_section(value, meanings[section.__name__])]
            lines += [*(_s3_example(meanings) if key == "store" else ()), ""]
        elif isinstance(value, list):
            lines += [*_line(f"{key}:{'' if value else ' []'}", meaning)]
            lines += [*(f"  - {_flow(item)}" for item in value), *_examples(key, meanings), ""]
        else:
            lines += _line(f"{key}: {_flow(value)}", meaning)
    return "\n".join(lines) + "\n"


def field_docstrings() -> dict[str, dict[str, str]]:
    """Return the docstring under each field of the settings, by class and field."""
    modules = Path(inspect.getfile(Settings)).parent.glob("*.py")
    trees = (ast.parse(module.read_text()) for module in modules)
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
        for number, (key, value) in enumerate(_complete(kind, example).items()):
            bullet = " " if number else "-"
            stated = [meanings.get(each.__name__, {}) for each in kind.__mro__]
            (meaning,) = [each[key] for each in stated if key in each]
            for line in _line(f"  {bullet} {key}: {_flow(value)}", meaning):
                yield f"  #{line[1:]}"


def _s3_example(meanings: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for key, value in _complete(S3Store, S3_EXAMPLE).items():
        for line in _line(f"    {key}: {_flow(value)}", meanings["S3Store"][key]):
            yield f"  #{line[3:]}"


def _complete(kind: type[Section], example: Mapping[str, Any]) -> dict[str, Any]:
    optional = {name: field.default for name, field in kind.model_fields.items() if name not in example}
    return {**example, **optional}


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
