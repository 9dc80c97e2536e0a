"""Reads a YAML file with the line of each key. Problems name lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError

Location = tuple[str | int, ...]

MOST_CHARACTERS = 1_000_000
"""Of a file; one with every setting has 30,000."""

MOST_VALUES = 20_000
"""Keys, items and values of a file, with what aliases and merges repeat; one with every setting has 1,000."""

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

    Parameters
    ----------
    line
        Of the file, counted from 0, in which the text begins.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the base class declares it

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line
        self._composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """See `Composer`."""
        self._composed += 1
        if self._composed > MOST_VALUES:
            raise _TooMuch(_MANY)
        return super().compose_node(parent, index)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """See `SafeConstructor`; a value that is not of its type is a fault with a line."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            problem = f"found a value that is no {kind}, or too long for one"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


class _TooMuch(yaml.YAMLError):
    """The file holds more than anybody writes; the text says of what."""


_MANY = f"with what its aliases repeat it holds more than {MOST_VALUES} keys and values"


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
        text = _text_of(path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: cannot be read: no such {kind}; {remedy}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not YAML: it is not UTF-8; save it as UTF-8") from None
    if text is None:
        raise ConfigurationError(f"{path}: cannot be read (it is a pipe with a name); {remedy}")
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(
            f"{path}: is no {kind}: it has more than {MOST_CHARACTERS} characters; {remedy}"
        )
    file = YamlFile(path)
    try:
        _fill(file, text)
    except RecursionError:
        raise ConfigurationError(f"{path}: is not YAML: its lists are nested too deeply") from None
    except _TooMuch as error:
        raise ConfigurationError(f"{path}: is no {kind}: {error}; {remedy}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        fault = f"line {line}: it holds a control character; remove it, or write it as an escape"
        raise ConfigurationError(f"{path}: is not YAML: {fault}") from None
    return file


def _text_of(path: Path) -> str | None:
    """Return a file's characters, at most one too many; None of a pipe with a name: nobody may ever write it.

    A pipe without a name, as of `--config <(command)`, ends with its command.
    """
    if Path(os.path.realpath(path)).is_fifo():
        return None
    with path.open(encoding="utf-8") as file:
        return file.read(MOST_CHARACTERS + 1)


def _fill(file: YamlFile, text: str) -> None:
    """Add the content of a text, section by section where it is not YAML as a whole."""
    try:
        _add(file, text)
    except yaml.MarkedYAMLError as error:
        _add_sections(file, text)
        file.faults.extend([] if file.faults else [_fault(error, len(text.splitlines()))])


def _add(file: YamlFile, text: str, line: int = 0) -> None:
    """Add the keys of a text to the content, with their lines; it begins in that line, counted from 0."""
    loader = _Loader(text, line)
    node = loader.get_single_node()
    if node is None:
        return
    _check_repetitions(node)
    places = list(_places(node, (), set()))  # before merges are put into the nodes
    content = loader.construct_document(node) or {}
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ConfigurationError(f"{file.path}: must hold keys and values, as KEY: VALUE, not a {kind}")
    file.content.update({str(key): value for key, value in content.items()})
    for key, stated in places:
        if key in file.lines:
            file.repeated.append((key, stated))
        else:
            file.lines[key] = stated


def _check_repetitions(root: Any) -> None:
    """Raise unless the nodes are few enough when each alias counts as what it repeats."""
    sizes: dict[int, int | None] = {}  # by node; None while it is being counted

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = None
            sizes[id(node)] = 1 + sum(map(size, _children(node)))
        found = sizes[id(node)]
        if found is None:
            problem = "found an anchor that refers to itself"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return found

    if size(root) > MOST_VALUES:
        raise _TooMuch(_MANY)


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        yield from chain.from_iterable(node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _add_sections(file: YamlFile, text: str) -> None:
    """Add each top-level section that is YAML by itself, and the faults of the others."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if re.match(r"[\w\"']", line)]
    for start, end in pairwise([*starts, len(lines)]):
        try:
            _add(file, "".join(lines[start:end]), start)
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
