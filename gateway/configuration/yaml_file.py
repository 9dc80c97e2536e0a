"""Reads a YAML file with the line of each key. `settings_file` names lines in problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlFile:
    """Content of a file.

    Attributes
    ----------
    lines
        Line of each key or list item, by location (`("scp", "peers", 0)`).
    repeated
        Repeated keys, with the line of the later; YAML readers keep one of them silently.
    """

    path: Path
    content: dict[str, Any] = field(default_factory=dict)
    lines: dict[Location, int] = field(default_factory=dict)
    repeated: list[tuple[Location, int]] = field(default_factory=list)


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file of keys and values.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or is not YAML. No line is quoted: the file may hold passwords.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        node = yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); name it with --config"
        ) from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigurationError(f"{path}: is not YAML: {where}{error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not YAML: {type(error).__name__}") from None
    if not isinstance(content or {}, dict):
        raise ConfigurationError(f"{path}: must hold keys and values, not a {type(content).__name__}")
    file = YamlFile(path, {str(key): value for key, value in (content or {}).items()})
    for key, line in _places(node, (), ()):
        if key in file.lines:
            file.repeated.append((key, line))
        else:
            file.lines[key] = line
    return file


def _places(node: Any, key: Location, above: tuple[Any, ...]) -> Iterator[tuple[Location, int]]:
    if any(each is node for each in above):  # an anchor within itself
        return
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield (*key, str(name.value)), name.start_mark.line + 1
            yield from _places(value, (*key, str(name.value)), (*above, node))
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*key, number), value.start_mark.line + 1
            yield from _places(value, (*key, number), (*above, node))
