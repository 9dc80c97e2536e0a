"""Problems of a file in words: pydantic's errors by key, with suggestions for misspelt keys.

Settings, recipes, model cards and profiles speak alike. Values of secret keys are never quoted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.yaml_files.yaml_file import Location, YamlFile

_WORDS = {
    "missing": "must be stated",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text, in quotes",
    "path_type": "must be a path",
    "date_from_datetime_parsing": "must be a date, as 2026-11-27",
    "date_type": "must be a date, as 2026-11-27",
    "tuple_type": "must be a list",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "literal_error": "must be {expected}",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the key (empty for the file as a whole), and a text without full stop."""

    key: Location
    text: str

    @property
    def with_key(self) -> str:
        """The text after its key; of the file as a whole, the text alone."""
        return f"{'.'.join(map(str, self.key))}: {self.text}" if self.key else self.text


@dataclass(frozen=True)
class Wording:
    """Words for the problems of one kind of YAML file: settings, recipes, model cards, profiles.

    Attributes
    ----------
    content
        What such a file holds.
    noun
        What its keys are called.
    forms
        Key → what its value must be, where a pattern says so.
    secrets
        Keys whose values no problem quotes.
    """

    content: type[BaseModel]
    noun: str = "key"
    forms: Mapping[str, str] = field(default_factory=dict)
    secrets: Collection[str] = frozenset()

    def problems_of(self, error: ValidationError) -> list[Problem]:
        """Return the problems of an error, one for each key."""
        found: dict[Location, list[ErrorDetails]] = {}
        for each in error.errors(include_url=False):
            if not _counts_faulty_items(each):
                found.setdefault(self._key(each), []).append(each)
        return [self._problem(same, key) for key, same in found.items()]

    def in_one_line(self, error: ValidationError) -> str:
        """Return every problem of an error in one line, each after its key."""
        return "; ".join(each.with_key for each in self.problems_of(error))

    def types_at(self, key: Location) -> set[Any]:
        """Return every type that the value at a key may have."""
        return set(_types_at(self.content, key))

    def names(self) -> list[str]:
        """Return every key outside lists, as `scp.port`."""
        return list(_names_below(self.content, ""))

    def _problem(self, found: list[ErrorDetails], key: Location) -> Problem:
        first, name = found[0], str(key[-1]) if key else ""
        if first["type"] == "extra_forbidden":
            meant = did_you_mean(name, self._names_beside(key)) or self._elsewhere(name)
            return Problem(key, f"there is no such {self.noun}{meant}")
        if first["type"] in ("union_tag_not_found", "union_tag_invalid"):
            return Problem(key, self._kind(first, key))
        texts = dict.fromkeys(self._text(each, name) for each in found)
        return Problem(key, " or ".join(texts) + self._quoted(first, key) + _choice(first))

    def _kind(self, found: ErrorDetails, key: Location) -> str:
        """Return the kinds that a section may be of."""
        stated: list[Any] = [each.model_fields["kind"].annotation for each in self._sections_at(key)]
        kinds = [str(get_args(each)[0]) for each in stated]
        of = f"{', '.join(kinds[:-1])} or {kinds[-1]}"
        if found["type"] == "union_tag_not_found":
            return f"must state its kind: {of}"
        return f"kind must be {of}{did_you_mean(str(found['ctx']['tag']), kinds)}"

    def _key(self, found: ErrorDetails) -> Location:
        """Remove what pydantic inserts: kinds of items, branches of a union, and marks of a key."""
        key: Location = ()
        for each in found["loc"]:
            if _types_at(self.content, (*key, each)):
                key = (*key, each)
        return (*key, found["loc"][-1]) if found["type"] == "extra_forbidden" else key

    def _text(self, found: ErrorDetails, name: str) -> str:
        kind = found["type"]
        if found["input"] is None and kind not in ("missing", "value_error"):
            return "is empty; state a value, or remove the line"
        if kind == "string_pattern_mismatch" and name in self.forms:
            return self.forms[name]
        if kind == "string_too_short" and found["ctx"]["min_length"] == 1:
            return "must not be empty"
        if kind in ("too_short", "too_long"):
            return _length(found)
        if kind in _WORDS:
            return _WORDS[kind].format(**found.get("ctx", {})).replace("False", "false")
        return found["msg"].removeprefix("Value error, ")

    def _quoted(self, found: ErrorDetails, key: Location) -> str:
        value = found["input"]
        if value == "" or found["type"] in ("missing", "value_error") or {*self.secrets} & {*key}:
            return ""
        return f", not {value!r}" if isinstance(value, str | int | float) and len(str(value)) <= 64 else ""

    def _elsewhere(self, name: str) -> str:
        """Return the keys of this name in other sections."""
        found = [each for each in self.names() if each.split(".")[-1] == name]
        return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""

    def _names_beside(self, key: Location) -> list[str]:
        """Return the names of all keys in the section of a key."""
        return sorted({name for section in self._sections_at(key[:-1]) for name in section.model_fields})

    def _sections_at(self, key: Location) -> list[type[BaseModel]]:
        """Return the sections that a key may hold; several where a section has kinds."""
        return [each for each in _types_at(self.content, key) if _is_section(each)]


def problems_of_yaml(file: YamlFile) -> list[Problem]:
    """Return the sections that are not YAML, and the keys that are stated more than once."""
    faults = [Problem((), f"is not YAML: {fault}") for fault in file.faults]
    return faults + [
        Problem(key, f"is stated more than once, also in line {line}") for key, line in file.repeated
    ]


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return the end of an error text that suggests the most similar name, or nothing."""
    close = get_close_matches(name, names, 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _choice(found: ErrorDetails) -> str:
    """Return the allowed value that is most like the stated one."""
    if found["type"] != "literal_error":
        return ""
    return did_you_mean(str(found["input"]), re.findall(r"'([^']*)'", found["ctx"]["expected"]))


def _counts_faulty_items(found: ErrorDetails) -> bool:
    """Tell whether a list is called too short because its faulty items, each told by itself, do not count."""
    return found["type"] == "too_short" and len(found["input"]) >= found["ctx"]["min_length"]


def _length(found: ErrorDetails) -> str:
    """Return how many items a list must have."""
    context = found["ctx"]
    least, most = context.get("min_length"), context.get("max_length")
    if least == 1:
        return "must not be empty"
    return f"must have {least} items or more" if least else f"must have {most} items or fewer"


def _types_at(annotation: Any, key: Location) -> list[Any]:
    """Return the types of the value at a key of a value of some type, none where there is no such key."""
    found = list(_alternatives(annotation))
    for each in key:
        found = [inner for outer in found for inner in _types_in(outer, each)]
    return found


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the types of a union, without what is annotated."""
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _alternatives(each)
    else:
        yield annotation


def _types_in(outer: Any, name: str | int) -> Iterator[Any]:
    """Yield the types of one value in a section, in a mapping or in a list."""
    if _is_section(outer):
        if name in outer.model_fields:
            yield from _alternatives(outer.model_fields[str(name)].annotation)
    elif get_origin(outer) is dict:
        yield from _alternatives(get_args(outer)[1])
    elif get_origin(outer) in (tuple, list) and isinstance(name, int):
        items = [each for each in get_args(outer) if each is not ...]
        yield from _alternatives(items[min(name, len(items) - 1)])


def _names_below(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, each in section.model_fields.items():
        yield f"{prefix}{name}"
        if _is_section(each.annotation):
            yield from _names_below(each.annotation, f"{prefix}{name}.")


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
