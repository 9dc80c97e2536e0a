"""Settings that hold what nobody means: variables that nothing replaces, and faulty values.

`settings_file` calls it before the values are validated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.configuration.problems import SECRETS, WORDING
from gateway.settings.web_server import secret_variables
from gateway.yaml_files.values import plain_values, problem_of_value
from gateway.yaml_files.wording import Problem
from gateway.yaml_files.yaml_file import Location

_VARIABLE = re.compile(r"\$\{\w+\}|^\$[A-Za-z_]\w*(?=/|$)")


def faulty_settings(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the values of a file that cannot be meant, each with what to write; they may be secret."""
    for key, value in plain_values(content):
        if isinstance(value, str) and (variable := _VARIABLE.search(value)):
            yield Problem(key, f"{variable[0]} is not replaced; {_instead(content, key)}")
        elif problem := problem_of_value(WORDING.types_at(key), value):
            yield Problem(key, problem)


def faulty_variables(environment: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the values of the environment that cannot be meant; secrets may look like a variable."""
    for key, value in plain_values(environment):
        variable = _VARIABLE.search(value) if isinstance(value, str) else None
        if variable and not SECRETS & set(key):
            yield Problem(key, f"{variable[0]} is not replaced; write the value itself")
        elif problem := problem_of_value(WORDING.types_at(key), value):
            yield Problem(key, problem)


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
