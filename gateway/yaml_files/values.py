"""Values that pydantic would take for what nobody means: empty paths, true for 1, half characters.

They are found before the values are validated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.yaml_files.wording import Problem, Wording
from gateway.yaml_files.yaml_file import Location

_NUMBERS = {int, float}


def faulty_values(content: Mapping[str, Any], wording: Wording) -> Iterator[Problem]:
    """Yield the values of a file that cannot be meant."""
    for key, value in plain_values(content):
        if problem := problem_of_value(wording.types_at(key), value):
            yield Problem(key, problem)


def problem_of_value(types: set[Any], value: str | bool) -> str | None:
    """Return why a value is of none of its types, whatever pydantic makes of it."""
    if isinstance(value, bool):
        is_number = bool(types & _NUMBERS) and bool not in types
        return f"must be a number, not {str(value).lower()}" if is_number else None
    if "\0" in value:
        return "must hold no NUL"
    if not _is_unicode(value):
        return "must hold no half of a surrogate pair; write the character itself"
    return _problem_of_path(value) if Path in types else None


def plain_values(content: Mapping[str, Any]) -> Iterator[tuple[Location, str | bool]]:
    """Yield each text and each truth value of a file, with its key."""
    yield from _values(content, (), set())


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


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
