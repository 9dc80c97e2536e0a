"""Reads the settings file and the environment into one frozen `Settings`; reports all problems at once.

Every command calls `load_settings`; `gateway config check` calls `check_settings`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from gateway.configuration.problems import Problem, problem_across, problems_of
from gateway.configuration.yaml_file import Location, YamlFile, read_yaml
from gateway.errors import ConfigurationError
from gateway.settings import MAX_NAME, Section, Settings
from gateway.settings.across import problems_across

DEFAULT_FILE = Path("config/gateway.yaml")
_STAND_INS: dict[str, dict[str, Any]] = {  # replace faulty items, so that the others are still checked
    "destinations": {"name": "a faulty one", "kind": "folder", "path": "x"},
    "routes": {"calling_ae_title": "*", "to": []},
}

_S = TypeVar("_S", bound=Section)


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings from `file`, `GATEWAY_CONFIG` or `config/gateway.yaml`, under the environment.

    Without a file, the defaults apply. Relative paths are relative to `data_dir`. A relative `data_dir` in a
    file is relative to the folder of the file, or to its parent where the folder is called `config`. Without
    a file, or from the environment, `data_dir` is relative to the working directory.

    Raises
    ------
    ConfigurationError
        All problems at once, each with its key and line.
    """
    settings, problems = _read(_content(file))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings


def check_settings(file: Path | None = None) -> None:
    """Raise `ConfigurationError` with all problems of the settings, including missing files."""
    found = _content(file)
    settings, problems = _read(found)
    problems += [_told(each, found) for each in (*_missing_files(settings), *_crossed(settings))]
    if problems:
        raise ConfigurationError("\n".join(problems))


def file_in_use(file: Path | None = None) -> Path | None:
    """Return the file that `load_settings` reads, or None where the defaults apply."""
    named = file or (Path(os.environ["GATEWAY_CONFIG"]) if os.environ.get("GATEWAY_CONFIG") else None)
    return named or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def _content(file: Path | None) -> YamlFile:
    path = file_in_use(file)
    return read_yaml(path) if path else YamlFile(DEFAULT_FILE)


def _at_home(file: YamlFile) -> dict[str, Any]:
    """Return the content of the file with an absolute `data_dir`."""
    data_dir = file.content.get("data_dir", Settings.model_fields["data_dir"].default)
    if not isinstance(data_dir, str | Path):
        return file.content
    folder = file.path.resolve().parent
    home = folder.parent if folder.name == DEFAULT_FILE.parent.name else folder
    return file.content | {"data_dir": home / Path(data_dir).expanduser()}


def _read(file: YamlFile) -> tuple[Settings, list[str]]:
    """Return the settings without faulty values, and all problems."""
    problems = [Problem(key, f"is stated more than once, also in line {line}") for key, line in file.repeated]
    environment, unreadable = _environment()
    problems += [Problem((name,), "must hold JSON") for name in unreadable]
    content = _merged(_at_home(file), environment)
    try:
        settings: Settings = _Stated(**content)
    except ValidationError as error:
        found = problems_of(error)
        settings, across = _partial(content, [each.key for each in found])
        problems += [*found, *across]
    return _absolute(settings), [_told(each, file) for each in dict.fromkeys(problems)]


def _environment() -> tuple[dict[str, Any], list[str]]:
    """Return the settings in the environment, and the names of unreadable variables."""
    source, unreadable = EnvSettingsSource(Settings), list[str]()
    while True:
        try:
            return source(), unreadable
        except SettingsError as error:
            name = next(each for each in Settings.model_fields if f'"{each}"' in str(error))
            unreadable.append(name)
            variable = f"gateway_{name}"
            source.env_vars = {key: value for key, value in source.env_vars.items() if key != variable}


class _Stated(Settings):
    """Settings from the given values only: the environment is merged already."""

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


class _Partial(_Stated):
    """Settings without faulty values, not checked across sections."""

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        return self


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = _merged(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged


def _partial(content: dict[str, Any], faulty: list[Location]) -> tuple[Settings, list[Problem]]:
    """Return the settings without the faulty values, and the problems across sections of the others."""
    for key in [each for each in faulty if each]:
        content = _without(content, key)
    settings = _Partial(**content)
    across = [problem_across(line) for line in problems_across(settings)]
    return settings, [each for each in across if not _is_about(each.key, faulty)]


def _without(content: Any, key: Location) -> Any:
    """Return `content` without the value at `key`, or with a stand-in within a list."""
    head, *rest = key
    if not isinstance(content, dict) or head not in content:
        return content
    if head in _STAND_INS and rest and isinstance(content[head], list):
        items = list(content[head])
        number = int(rest[0])
        name = items[number].get("name") if isinstance(items[number], dict) else None
        items[number] = _STAND_INS[head] | ({"name": name} if _is_name(name) else {})
        return content | {head: items}
    if rest and isinstance(content[head], dict) and rest[0] in content[head]:
        return content | {head: _without(content[head], tuple(rest))}
    return {name: value for name, value in content.items() if name != head}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME


def _is_about(key: Location, faulty: list[Location]) -> bool:
    """Tell whether a problem concerns a value that was removed."""
    return any(each[: len(key)] == key or key[: len(each)] == each for each in faulty)


def _told(problem: Problem, file: YamlFile) -> str:
    key = ".".join(map(str, problem.key))
    return f"{key}: {problem.text}{_where(problem.key, file)}"


def _where(key: Location, file: YamlFile) -> str:
    names = [f"GATEWAY_{'__'.join(map(str, key[:length]))}".upper() for length in range(len(key), 0, -1)]
    if stated := next((name for name in names if name in os.environ), None):
        return f" (from {stated} in the environment)"
    line = next((file.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in file.lines), None)
    return f" ({file.path}, line {line})" if line else ""


def _missing_files(settings: Settings) -> Iterator[Problem]:
    """Yield the files that do not exist or cannot be read; folders for results are created."""
    for key, path in _paths(settings, ()):
        is_read = key[-1] in ("certificate", "key", "ca") or key in (("model", "path"), ("model", "profile"))
        if is_read and not os.access(path, os.R_OK):
            fault = "cannot be read" if path.exists() else "does not exist"
            yield Problem(key, f"{path} {fault}")


def _crossed(settings: Settings) -> Iterator[Problem]:
    """Yield limits without effect, because another limit applies first."""
    delivery, scp = settings.delivery, settings.scp
    if delivery.first_retry_seconds > delivery.longest_retry_seconds:
        text = f"is more than delivery.longest_retry_seconds, {delivery.longest_retry_seconds:g}"
        yield Problem(("delivery", "first_retry_seconds"), text)
    if scp.reject_below_disk_mb > scp.min_free_disk_mb:
        text = f"is more than scp.min_free_disk_mb, {scp.min_free_disk_mb}"
        yield Problem(("scp", "reject_below_disk_mb"), text)


def _paths(section: BaseModel, key: Location) -> Iterator[tuple[Location, Path]]:
    for name, value in section:
        yield from _paths_in(value, (*key, name))


def _paths_in(value: Any, key: Location) -> Iterator[tuple[Location, Path]]:
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, BaseModel):
        yield from _paths(value, key)
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _paths_in(each, (*key, number))


def _absolute(settings: Settings) -> Settings:
    root = settings.data_dir.expanduser().resolve()
    model = settings.model
    named = {"path": model.path, "profile": model.profile}
    paths = {name: root / path.expanduser() for name, path in named.items() if path is not None}
    changed = {
        "data_dir": root,
        "destinations": tuple(_below(root, each) for each in settings.destinations),
        "model": model.model_copy(update=paths),
        "scp": _below(root, settings.scp),
        "audit": _below(root, settings.audit),
        "web": _below(root, settings.web),
    }
    return settings.model_copy(update=changed)


def _below(root: Path, section: _S) -> _S:
    """Return the section with absolute paths."""
    paths = {name: root / value for name, value in section if isinstance(value, Path)}
    sections = {name: _below(root, value) for name, value in section if isinstance(value, Section)}
    return section.model_copy(update=paths | sections)
