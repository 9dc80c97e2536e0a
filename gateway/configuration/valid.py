"""Validates content of a settings file and finds all its problems, also those that others hide.

`settings_file` calls it. Faulty values are taken out, and the rest is validated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.configuration.problems import WORDING
from gateway.settings import MAX_NAME, Settings
from gateway.yaml_files.wording import Problem
from gateway.yaml_files.yaml_file import Location

_STAND_INS: dict[str, dict[str, Any]] = {  # replace faulty items, so that the others are still checked
    "destinations": {"name": "a faulty one", "kind": "folder", "path": "x"},
    "routes": {"calling_ae_title": "*", "to": []},
    "sources": {"name": "a faulty one", "kind": "dicom", "ae_title": "X", "host": "x", "port": 1},
}


class _Stated(Settings):
    """Settings from the given values only, not yet checked across sections."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        return self


def valid(content: dict[str, Any], faulty: Iterable[Problem] = ()) -> tuple[Settings, list[Problem]]:
    """Return the settings without faulty values, and the problems within sections, `faulty` among them."""
    content, problems = _copied(content), list(faulty)
    for problem in problems:
        _remove(content, problem.key)
    while True:
        try:
            return _Stated(**content), problems
        except ValidationError as error:
            found = WORDING.problems_of(error)
        removed = {each.key for each in problems}
        problems += [each for each in found if removed.isdisjoint(_prefixes(each.key))]
        for problem in found:
            _remove(content, problem.key)


def _prefixes(key: Location) -> Iterator[Location]:
    return (key[:length] for length in range(len(key) + 1))


def _copied(value: Any) -> Any:
    """Return a copy in which nothing is shared: aliases of the file are values of their own."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def is_about(key: Location, faulty: list[Location]) -> bool:
    """Tell whether a problem concerns a value that was removed."""
    return any(each[: len(key)] == key or key[: len(each)] == each for each in faulty)


def _remove(content: Any, key: Location) -> None:
    """Remove the value at `key`, or put a stand-in in its place within a list."""
    head, *rest = key
    if not isinstance(content, dict) or head not in content:
        return
    value = content[head]
    if head in _STAND_INS and rest and isinstance(value, list):
        number = int(rest[0])
        value[number] = _item(head, value[number], rest[1:])
    elif rest and isinstance(value, dict) and rest[0] in value:
        _remove(value, tuple(rest))
    else:
        del content[head]


def _item(head: str | int, item: Any, key: list[str | int]) -> dict[str, Any]:
    """Return an item of a list without the faulty value, or a stand-in where the value is indispensable."""
    if key and isinstance(item, dict) and key[0] in item:
        _remove(item, tuple(key))
        return item
    name = item.get("name") if isinstance(item, dict) else None
    is_name = isinstance(name, str) and 0 < len(name.strip()) <= MAX_NAME
    return _STAND_INS[str(head)] | ({"name": name} if is_name else {})
