"""Texts of a settings file that stand for no value: unreplaced variables, and characters that no path holds.

`settings_file` calls it before the values are validated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.configuration.problems import Problem
from gateway.configuration.yaml_file import Location
from gateway.settings.web_server import secret_variables

_VARIABLE = re.compile(r"\$\{\w+\}|^\$[A-Za-z_]\w*(?=/|$)")


def faulty_texts(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the texts that cannot be meant, each with what to write instead; they may be secret."""
    for key, text in _texts(content, (), set()):
        if variable := _VARIABLE.search(text):
            yield Problem(key, f"{variable[0]} is not replaced; {_instead(content, key)}")
        elif "\0" in text:
            yield Problem(key, "must hold no NUL")
        elif not _is_unicode(text):
            yield Problem(key, "must hold no half of a surrogate pair; write the character itself")


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


def _texts(value: Any, key: Location, seen: set[int]) -> Iterator[tuple[Location, str]]:
    if isinstance(value, str):
        yield key, value
        return
    if id(value) in seen:  # repeated by an alias
        return
    seen.add(id(value))
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, (*key, str(name)), seen)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, (*key, number), seen)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
