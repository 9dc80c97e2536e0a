"""Values that pydantic would take for what nobody means: unreplaced variables, empty paths, true for 1.

`settings_file` calls it before the values are validated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.configuration.problems import SECRETS, Problem, types_at
from gateway.configuration.yaml_file import Location
from gateway.settings.web_server import secret_variables

_VARIABLE = re.compile(r"\$\{\w+\}|^\$[A-Za-z_]\w*(?=/|$)")
_NUMBERS = {int, float}


def faulty_values(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the values of a file that cannot be meant, each with what to write; they may be secret."""
    for key, value in _values(content, (), set()):
        if isinstance(value, str) and (variable := _VARIABLE.search(value)):
            yield Problem(key, f"{variable[0]} is not replaced; {_instead(content, key)}")
        elif problem := _problem(key, value):
            yield Problem(key, problem)


def faulty_variables(environment: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the values of the environment that cannot be meant; secrets may look like a variable."""
    for key, value in _values(environment, (), set()):
        variable = _VARIABLE.search(value) if isinstance(value, str) else None
        if variable and not SECRETS & set(key):
            yield Problem(key, f"{variable[0]} is not replaced; write the value itself")
        elif problem := _problem(key, value):
            yield Problem(key, problem)


def _problem(key: Location, value: Any) -> str | None:
    """Return why a value is none of the type of its setting, whatever pydantic makes of it."""
    types = types_at(key)
    if isinstance(value, bool):
        is_number = bool(types & _NUMBERS) and bool not in types
        return f"must be a number, not {str(value).lower()}" if is_number else None
    if "\0" in value:
        return "must hold no NUL"
    if not _is_unicode(value):
        return "must hold no half of a surrogate pair; write the character itself"
    return _problem_of_path(value) if Path in types else None


def _problem_of_path(path: str) -> str | None:
    """Return why a text names no path; an empty one would be the folder that it is relative to."""
    if not path.strip():
        return "must not be empty; null is none"
    if not path.isprintable():
        return "must be printable, on one line"
    try:
        Path(path).expanduser()
    except RuntimeError:
        return f"{path.partition('/')[0]} is nobody's home on this machine; write the whole path"
    return None


def _instead(content: Mapping[str, Any], key: Location) -> str:
    if all(isinstance(each, str) for each in key):
        return f"remove the line, and set GATEWAY_{'__'.join(map(str, key)).upper()} in the environment"
    item: Any = content
    for each in key[:-1]:
        item = item[each]
    secrets = secret_variables(str(item.get("name", ""))) if isinstance(item, dict) else {}
    if variable := secrets.get(str(key[-1])):
        return f"remove the line, and set {variable} in the environment"
    return "write the value itself"


def _values(value: Any, key: Location, seen: set[int]) -> Iterator[tuple[Location, str | bool]]:
    if isinstance(value, str | bool):
        yield key, value
        return
    if id(value) in seen:  # repeated by an alias
        return
    seen.add(id(value))
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _values(each, (*key, str(name)), seen)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _values(each, (*key, number), seen)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
