"""Reads a YAML file with the line of each key. Problems name lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError

Location = tuple[str | int, ...]

_REMEDIES = {
    "cannot start any token": "indent with spaces, not tabs, and quote special characters",
    "mapping values are not allowed": "check the indentation, and quote a value that holds a colon",
    "could not find expected ':'": "write a key as KEY: VALUE",
    "but found '<block mapping start>'": "check the indentation",
    "expected <block end>": "check the indentation",
    "but got": "check brackets, braces and commas",
    "while scanning a quoted scalar": "close the quote",
    "found unexpected end of stream": "close the quote",
}
"""Remedies by a part of PyYAML's message."""

_PLAIN_TYPES = {  # as in the core schema of YAML 1.2, without its octal and hexadecimal numbers
    "null": (r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    "float": (
        r"(?:[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
    "merge": (r"<<$", ["<"]),
}


class _Loader(yaml.SafeLoader):
    """Takes a plain value for a number, a truth value or nothing only where people do, too.

    By YAML 1.1, which PyYAML follows, 011112 is 4682, 12:30 is 750, 1_0 is 10, NO is false and 2026-11-01 a
    date. Here they are text, and the setting that they are for decides what it takes.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the base class declares it


for _name, (_pattern, _firsts) in _PLAIN_TYPES.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), _firsts)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """Content of a file.

    Attributes
    ----------
    lines
        Line of each key or list item, by location (`("scp", "peers", 0)`).
    repeated
        Repeated keys, with the line of the later; YAML readers keep one of them silently.
    faults
        Sections that are not YAML, in words with their line; `content` lacks them.
    """

    path: Path
    content: dict[str, Any] = field(default_factory=dict)
    lines: dict[Location, int] = field(default_factory=dict)
    repeated: list[tuple[Location, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def where(self, key: Location) -> str:
        """Return the end of a problem's line: where the key, or the section around it, is stated."""
        line = next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)
        return f" ({self.path}, line {line})" if line else ""


def read_yaml(path: Path, kind: str, remedy: str) -> YamlFile:
    """Read a YAML file of keys and values; where it is not YAML, each top-level section by itself.

    Parameters
    ----------
    kind
        What it is, as `settings file`.
    remedy
        How to name another one.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or holds no keys. No line is quoted: the file may hold passwords.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: cannot be read: no such {kind}; {remedy}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not YAML: it is not UTF-8; save it as UTF-8") from None
    file = YamlFile(path)
    try:
        _add(file, text)
    except yaml.MarkedYAMLError as error:
        _add_sections(file, text)
        file.faults.extend([] if file.faults else [_fault(error, len(text.splitlines()))])
    except RecursionError:
        raise ConfigurationError(f"{path}: is not YAML: its lists are nested too deeply") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        fault = f"line {line}: it holds a control character; remove it, or write it as an escape"
        raise ConfigurationError(f"{path}: is not YAML: {fault}") from None
    return file


def _add(file: YamlFile, text: str) -> None:
    """Add the keys of a text to the content, with their lines."""
    content = yaml.load(text, _Loader) or {}  # noqa: S506 - a SafeLoader
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ConfigurationError(f"{file.path}: must hold keys and values, as KEY: VALUE, not a {kind}")
    file.content.update({str(key): value for key, value in content.items()})
    for key, line in _places(yaml.compose(text, _Loader), (), set()):
        if key in file.lines:
            file.repeated.append((key, line))
        else:
            file.lines[key] = line


def _add_sections(file: YamlFile, text: str) -> None:
    """Add each top-level section that is YAML by itself, and the faults of the others."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if re.match(r"[\w\"']", line)]
    for start, end in pairwise([*starts, len(lines)]):
        try:
            _add(file, "\n" * start + "".join(lines[start:end]))
        except ConfigurationError:
            file.faults.append(f"line {start + 1}: write a key as KEY: VALUE")
        except yaml.composer.ComposerError:  # an alias of another section
            continue
        except yaml.MarkedYAMLError as error:
            file.faults.append(_fault(error, end))


def _fault(error: yaml.MarkedYAMLError, last_line: int) -> str:
    line = f"line {min(error.problem_mark.line + 1, last_line)}: " if error.problem_mark else ""
    message = f"{error.context or ''} {error.problem}"
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in message), "")
    return f"{line}{error.problem}{remedy and f'; {remedy}'}"


def _places(node: Any, key: Location, seen: set[int]) -> Iterator[tuple[Location, int]]:
    """Yield each key with its line; what aliases repeat is met once: aliases of aliases grow without end."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield (*key, str(name.value)), name.start_mark.line + 1
            yield from _places(value, (*key, str(name.value)), seen)
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*key, number), value.start_mark.line + 1
            yield from _places(value, (*key, number), seen)
