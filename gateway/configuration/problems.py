"""Problems of settings in words: pydantic's errors by key, with suggestions for misspelt keys.

`settings_file` calls it. Values of secret keys are never quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.configuration.yaml_file import Location
from gateway.settings import DESTINATION_KINDS, Settings
from gateway.settings.across import did_you_mean

SECRET_KEYS = {"token", "password", "bearer_token", "client_secret", "access_key_id", "secret_access_key"}
SECRETS = SECRET_KEYS | {"database"}
"""Settings whose values no problem quotes; a database's URL may hold a password."""
_KINDS = f"{', '.join(DESTINATION_KINDS[:-1])} or {DESTINATION_KINDS[-1]}"
_WORDS = {
    "missing": "must be stated",
    "union_tag_not_found": f"must state its kind: {_KINDS}",
    "union_tag_invalid": f"kind must be {_KINDS}",
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
    "tuple_type": "must be a list",
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
_FORMS = {
    "ae_title": "must be 1 to 16 printable ASCII characters without a backslash",
    "stow_ae_title": "must be 1 to 16 printable ASCII characters without a backslash",
    "patient_system": "must be a URI, as urn:oid:1.2.3 or https://hospital.example/mrn",
    "accession_system": "must be a URI, as urn:oid:1.2.3 or https://hospital.example/accession",
    "token_url": "must be http(s)://HOST[:PORT]/PATH, without user, query or fragment",
    "url": "must be http(s)://HOST[:PORT]/PATH, without user, query or fragment",
    "password": "must be what `gateway hash-password` prints",
    "processes": "must be auto or 1 to 64",
    "device": "must be auto, cpu, cuda or cuda:NUMBER",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the key (empty for the file as a whole), and a text without full stop."""

    key: Location
    text: str


def problems_of(error: ValidationError) -> list[Problem]:
    """Return the problems within sections, one for each key; values are quoted unless they may be secret."""
    found: dict[Location, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False):
        if key := _key(each):
            found.setdefault(key, []).append(each)
    return [_problem(same, key) for key, same in found.items()]


def problem_across(line: str) -> Problem:
    """Return a problem between sections from a line `key: sentence`."""
    name, _, text = line.partition(": ")
    return Problem(tuple(int(each) if each.isdecimal() else each for each in name.split(".")), text)


def _problem(found: list[ErrorDetails], key: Location) -> Problem:
    first, name = found[0], str(key[-1])
    if first["type"] == "extra_forbidden":
        return Problem(key, f"there is no such setting{did_you_mean(name, _names(key)) or _elsewhere(name)}")
    texts = dict.fromkeys(_text(each, name) for each in found)
    return Problem(key, " or ".join(texts) + _quoted(first, key) + _choice(first))


def _key(found: ErrorDetails) -> Location:
    """Remove what pydantic inserts: the kinds of destinations after the number, branches of a union last."""
    location = found["loc"]
    pairs = zip(("", *location), location, strict=False)
    key = [each for before, each in pairs if not (isinstance(before, int) and each in DESTINATION_KINDS)]
    if key and found["type"] != "extra_forbidden" and re.search(r"[^\w]", str(key[-1])):
        key.pop()
    return tuple(key)


def _text(found: ErrorDetails, name: str) -> str:
    kind = found["type"]
    if found["input"] is None and kind not in ("missing", "value_error"):
        return "is empty; state a value, or remove the line"
    if kind == "string_pattern_mismatch" and name in _FORMS:
        return _FORMS[name]
    if kind == "string_too_short" and found["ctx"]["min_length"] == 1:
        return "must not be empty"
    if kind in _WORDS:
        return _WORDS[kind].format(**found.get("ctx", {})).replace("False", "false")
    return found["msg"].removeprefix("Value error, ")


def _quoted(found: ErrorDetails, key: Location) -> str:
    value = found["input"]
    if value == "" or found["type"] in ("missing", "value_error") or SECRETS & set(key):
        return ""
    return f", not {value!r}" if isinstance(value, str | int | float) and len(str(value)) <= 64 else ""


def _choice(found: ErrorDetails) -> str:
    """Return the allowed value that is most like the stated one."""
    if found["type"] == "literal_error":
        return did_you_mean(str(found["input"]), re.findall(r"'([^']*)'", found["ctx"]["expected"]))
    if found["type"] == "union_tag_invalid":
        return did_you_mean(str(found["ctx"]["tag"]), DESTINATION_KINDS)
    return ""


def _elsewhere(name: str) -> str:
    """Return the settings of this name in other sections."""
    found = [each for each in setting_names() if each.split(".")[-1] == name]
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def setting_names() -> list[str]:
    """Return every setting outside lists, as `scp.port`."""
    return list(_names_below(Settings, ""))


def _names_below(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names_below(field.annotation, f"{prefix}{name}.")


def types_at(key: Location) -> set[Any]:
    """Return every type that the value at a key may have, also within lists and unions."""
    names = [each for each in key if not isinstance(each, int)]
    fields = [model.model_fields.get(names[-1]) for model in _models_at(names[:-1])] if names else []
    return {each for field in fields if field for each in _types_in(field.annotation)}


def _names(key: Location) -> list[str]:
    """Return the names of all settings in the section of a key."""
    models = _models_at([each for each in key[:-1] if not isinstance(each, int)])
    return sorted({name for model in models for name in model.model_fields})


def _models_at(names: Sequence[str]) -> list[type[BaseModel]]:
    """Return the sections below the names; several where a section has kinds."""
    models: list[type[BaseModel]] = [Settings]
    for each in names:
        fields = [model.model_fields[each] for model in models if each in model.model_fields]
        types = [found for field in fields for found in _types_in(field.annotation)]
        models = [found for found in types if isinstance(found, type) and issubclass(found, BaseModel)]
    return models


def _types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for each in get_args(annotation):
        yield from _types_in(each)
