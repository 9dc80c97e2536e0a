"""Checks what is in the files that settings name: data directory, model, site profile, certificates and keys.

`gateway config check` calls it, so that no start ends at a file that was there and of another kind.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import ConfigurationError
from gateway.settings import TLS, ClientTLS, Section, Settings
from gateway.yaml_files.wording import Problem
from gateway.yaml_files.yaml_file import Location


def faulty_files(settings: Settings) -> Iterator[Problem]:
    """Yield a missing disk, and files that exist and cannot be used; weights are not read."""
    if problem := settings.directory.missing_mount():
        yield Problem(("data_dir",), problem)
    yield from _model(settings)
    for key, section in _sections(settings, ()):
        if problem := _tls(section):
            yield Problem(key, problem)


def _model(settings: Settings) -> Iterator[Problem]:
    from gateway.model.predictor import card_at
    from gateway.model.profile import read_profile, read_profile_card

    path, profile = settings.model.path, settings.model.profile
    if path is not None and not path.exists():  # told elsewhere
        return
    try:
        card = card_at(path)
    except ConfigurationError as error:
        yield Problem(("model", "path"), str(error))
        return
    if profile is None or not profile.exists():
        return
    try:
        if card is None:
            read_profile_card(profile)
        else:
            read_profile(profile, card)
    except ConfigurationError as error:
        yield Problem(("model", "profile"), str(error))


def _tls(section: Section) -> str | None:
    """Return why the files of a section cannot be used; absent ones are told elsewhere."""
    from gateway.tls import client_context, server_context

    files = {name: getattr(section, name, None) for name in ClientTLS.model_fields}
    named = [file for file in files.values() if file is not None]
    if not named or not all(file.exists() for file in named):
        return None
    try:
        server_context(section, "tls") if isinstance(section, TLS) else client_context(ClientTLS(**files))
    except ConfigurationError as error:
        return str(error).removeprefix("tls: ")
    return None


def _sections(value: object, key: Location) -> Iterator[tuple[Location, Section]]:
    if isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _sections(each, (*key, number))
    elif isinstance(value, Section | Settings):
        if isinstance(value, Section):
            yield key, value
        for name, each in value:
            yield from _sections(each, (*key, name))
