"""Reads the settings file and the environment into one frozen `Settings`; reports all problems at once.

Every command calls `load_settings`; `gateway config check` calls `check_settings`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic_settings import EnvSettingsSource, SettingsError

from gateway.configuration.agreement import doubts, doubts_of_routes, faults, own_folders
from gateway.configuration.meant import faulty_settings, faulty_variables
from gateway.configuration.problems import problem_across
from gateway.configuration.valid import is_about, valid
from gateway.errors import ConfigurationError
from gateway.settings import Section, Settings
from gateway.settings.across import problems_across
from gateway.yaml_files.wording import Problem, problems_of_yaml
from gateway.yaml_files.yaml_file import Location, YamlFile, read_yaml

DEFAULT_FILE = Path("config/gateway.yaml")
REMEDY = "name one with --config or GATEWAY_CONFIG"
READ = {"certificate", "key", "ca", "client_key"}
MODEL_FILES = ("model", "path"), ("model", "profile")
"""Settings of files that the gateway reads: these names in any section, and these keys."""

_S = TypeVar("_S", bound=Section)


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings from `file`, `GATEWAY_CONFIG` or `config/gateway.yaml`, under the environment.

    Without a file, the defaults apply. A relative `data_dir` in a file is relative to the folder of the file,
    or to its parent where the folder is called `config`. Without a file, or from the environment, `data_dir`
    is relative to the working directory. Other relative paths are relative to `data_dir`; certificates, keys
    and the model are also found relative to the file, as `data_dir` is.

    Raises
    ------
    ConfigurationError
        All problems at once, each with its key and line.
    """
    reading = _read(file)
    if reading.problems:
        raise ConfigurationError("\n".join(map(reading.told, reading.problems)))
    return reading.settings


def check_settings(
    file: Path | None = None,
    warn: Callable[[str], None] = lambda _: None,
    faulty_files: Callable[[Settings], Iterable[Problem]] = lambda _: (),
) -> None:
    """Find all problems of the settings, including missing files and settings without effect.

    Parameters
    ----------
    warn
        Called with each problem that keeps nothing from working.
    faulty_files
        Yields the problems of what is in the files that settings name.

    Raises
    ------
    ConfigurationError
        All other problems at once, each with its key and line.
    """
    reading = _read(file)
    settings, problems = reading.settings, reading.problems
    warnings = [*doubts(settings), *(doubts_of_routes(settings) if _states_routes(problems) else ())]
    for problem in warnings:
        warn(reading.told(problem))
    if errors := [*problems, *_missing_files(settings), *faults(settings), *faulty_files(settings)]:
        raise ConfigurationError("\n".join(map(reading.told, errors)))


def file_in_use(file: Path | None = None) -> Path | None:
    """Return the file that `load_settings` reads, or None where the defaults apply."""
    named = file or (Path(os.environ["GATEWAY_CONFIG"]) if os.environ.get("GATEWAY_CONFIG") else None)
    return named or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Settings without faulty values, with absolute paths; and all problems."""

    file: YamlFile
    settings: Settings
    problems: list[Problem]

    def told(self, problem: Problem) -> str:
        """Return the problem as a line: key, text, and the place where the value is stated."""
        key = ".".join(map(str, problem.key)) or str(self.file.path)
        return f"{key}: {problem.text}{_where(problem.key, self.file)}"


def _read(named: Path | None) -> _Reading:
    path = file_in_use(named)
    file = read_yaml(path, "settings file", REMEDY) if path else YamlFile(DEFAULT_FILE)
    home = _home(file.path)
    problems = problems_of_yaml(file)
    environment, unreadable = _environment()
    problems += [Problem(key, "must hold JSON") for key in unreadable]
    stated = _merged(_at_home(file.content, home), environment)
    settings, within = valid(stated, [*faulty_settings(file.content), *faulty_variables(environment)])
    problems += within
    if not file.faults:  # or else the sections that others refer to may be missing
        faulty = [each.key for each in within]
        across = [problem_across(line) for line in problems_across(settings)]
        problems += [each for each in across if not is_about(each.key, faulty)]
    settings = _absolute(settings, home)
    problems += own_folders(settings)
    return _Reading(file, settings, list(dict.fromkeys(problems)))


def _home(file: Path) -> Path:
    """Return the folder that relative paths of a settings file are relative to."""
    folder = file.resolve().parent
    return folder.parent if folder.name == DEFAULT_FILE.parent.name else folder


def _at_home(content: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Return the content with an absolute `data_dir`."""
    data_dir = content.get("data_dir", Settings.model_fields["data_dir"].default)
    is_relative = isinstance(data_dir, Path) or (
        isinstance(data_dir, str) and data_dir.strip() and data_dir[0] not in "~/"
    )
    return dict(content) | ({"data_dir": str(home / data_dir)} if is_relative else {})


def _environment() -> tuple[dict[str, Any], list[Location]]:
    """Return the settings in the environment, and the keys of unreadable variables."""
    source = EnvSettingsSource(Settings)
    every = source.env_vars
    faulty = [name for name in every if name.startswith("gateway_") and not _is_readable(source, every, name)]
    source.env_vars = {name: value for name, value in every.items() if name not in faulty}
    return source(), [tuple(name.removeprefix("gateway_").split("__")) for name in faulty]


def _is_readable(source: EnvSettingsSource, every: Mapping[str, str | None], name: str) -> bool:
    """Tell whether the source can read the variable, where it is the only one."""
    source.env_vars = {name: every[name]}
    try:
        source()
    except SettingsError:
        return False
    return True


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = _merged(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged


def _where(key: Location, file: YamlFile) -> str:
    names = [f"GATEWAY_{'__'.join(map(str, key[:length]))}".upper() for length in range(len(key), 0, -1)]
    if stated := next((name for name in names if name in os.environ), None):
        return f" (from {stated} in the environment)"
    return file.where(key)


def _states_routes(problems: list[Problem]) -> bool:
    """Tell whether senders, destinations and routes are free of problems, so that doubts about them count."""
    return not any(
        not key or key[0] in ("scp", "web", "destinations", "routes")
        for key in (each.key for each in problems)
    )


def _missing_files(settings: Settings) -> list[Problem]:
    """Return the files that do not exist or cannot be read; folders for results are created."""
    places = "; relative paths are under data_dir, or beside the settings file"
    return [
        Problem(key, f"{path} cannot be read; let this user read it")
        if os.access(path, os.F_OK)
        else Problem(key, f"{path} does not exist{places}")
        for key, path in _paths(settings, ())
        if (key[-1] in READ or key in MODEL_FILES) and not os.access(path, os.R_OK)
    ]


def _paths(value: Any, key: Location) -> list[tuple[Location, Path]]:
    if isinstance(value, Path):
        return [(key, value)]
    if isinstance(value, tuple):
        return [found for number, each in enumerate(value) for found in _paths(each, (*key, number))]
    if isinstance(value, Section | Settings):
        return [found for name, each in value for found in _paths(each, (*key, name))]
    return []


def _absolute(settings: Settings, home: Path) -> Settings:
    root = settings.data_dir.expanduser().resolve()
    model = settings.model
    files = {name: _found(path, root, home) for name, path in model if isinstance(path, Path)}
    changed = {
        "data_dir": root,
        "destinations": tuple(_below(root, home, each) for each in settings.destinations),
        "model": model.model_copy(update=files),
        "scp": _below(root, home, settings.scp),
        "audit": _below(root, home, settings.audit),
        "store": _below(root, home, settings.store),
        "web": _below(root, home, settings.web),
    }
    return settings.model_copy(update=changed)


def _below(root: Path, home: Path, section: _S) -> _S:
    """Return the section with absolute paths."""
    paths = {
        name: _found(value, root, home) if name in READ else root / value.expanduser()
        for name, value in section
        if isinstance(value, Path)
    }
    sections = {name: _below(root, home, value) for name, value in section if isinstance(value, Section)}
    return section.model_copy(update=paths | sections)


def _found(path: Path, *folders: Path) -> Path:
    """Return the path in the first folder that has it, else in the first."""
    places = [folder / path.expanduser() for folder in folders]
    return next((place for place in places if os.access(place, os.F_OK)), places[0])
