"""Settings that are valid, and do not agree: limits that exclude each other, senders without a route.

`gateway config check` reports faults as errors and doubts as warnings, `gateway doctor` the gaps of routes.
None of them keeps the gateway from starting.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from gateway.configuration.problems import WORDING
from gateway.settings import (
    Destination,
    DicomDestination,
    FHIRDestination,
    FolderDestination,
    HL7Destination,
    Model,
    Route,
    Settings,
)
from gateway.settings.across import is_loopback
from gateway.settings.web_server import WebServer, secret_variables
from gateway.yaml_files.wording import Problem, did_you_mean
from gateway.yaml_files.yaml_file import Location

LONGEST_TITLE = 16
HERE = {"engine", "device", "threads"}
"""Settings of `model` about networks on this machine."""
AT_SERVERS = {
    *("urls", "protocol", "classifier_name", "lungs_name", "model_version", "bearer_token", "ca"),
    *("certificate", "key", "timeout_seconds", "images_per_request", "requests_per_server"),
}
_NO_SETTINGS = {"GATEWAY_CONFIG", "GATEWAY_ROLE"}


def faults(settings: Settings) -> Iterator[Problem]:
    """Yield the settings that can never have the effect that they state."""
    yield from _crossed_limits(settings)
    yield from _impossible_titles(settings)
    yield from _no_folders(settings)
    yield from _no_results(settings)
    yield from _no_grpc(settings)


def doubts(settings: Settings) -> Iterator[Problem]:
    """Yield the settings that work, perhaps not as intended."""
    yield from _no_writing(settings)
    yield from _repeated(settings)
    yield from _proxies_as_peers(settings)
    yield from _idle_limits(settings)
    yield from _foreign_variables(settings)
    yield from _no_fonts(settings)


def doubts_of_routes(settings: Settings) -> Iterator[Problem]:
    """Yield senders, routes and destinations that lead nowhere, or are reached from nowhere."""
    for key, sender in gaps(settings):
        text = (
            f"for {sender} no route leads anywhere: answers are kept, not delivered; state one under routes"
        )
        yield Problem(key, text)
    yield from _idle_routes(settings)
    yield from _idle_destinations(settings)
    yield from _repeated_destinations(settings)


def gaps(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Yield the senders whose images are answered, but whose results have no destination."""
    for number, peer in enumerate(settings.scp.peers):
        if not settings.destinations_for(peer.ae_title):
            yield ("scp", "peers", number), peer.ae_title + _unless(settings, peer.ae_title)
    stow = settings.web.stow_ae_title
    if settings.web.enabled and not settings.destinations_for(stow):
        yield ("routes",), f"{stow} (images by STOW-RS){_unless(settings, stow)}"
    everybody = any(
        route.calling_ae_title == "*" and route.to and route.when is None for route in settings.routes
    )
    if not settings.scp.peers and not everybody:
        yield ("routes",), "AE titles that no route without a condition names"


def _unless(settings: Settings, calling_ae_title: str) -> str:
    """Return the exception of a sender some of whose images have a route, those that meet a condition."""
    routed = any(route.to for route in settings.routes_from(calling_ae_title))
    return ", where no condition (when) holds," if routed else ""


def _crossed_limits(settings: Settings) -> Iterator[Problem]:
    delivery, scp = settings.delivery, settings.scp
    if delivery.first_retry_seconds > delivery.longest_retry_seconds:
        text = f"is more than delivery.longest_retry_seconds, {delivery.longest_retry_seconds:g}; lower it"
        yield Problem(("delivery", "first_retry_seconds"), text)
    if scp.reject_below_disk_mb > scp.min_free_disk_mb:
        text = f"is more than scp.min_free_disk_mb, {scp.min_free_disk_mb}; lower it"
        yield Problem(("scp", "reject_below_disk_mb"), text)


def _impossible_titles(settings: Settings) -> Iterator[Problem]:
    for number, route in enumerate(settings.routes):
        title = route.calling_ae_title
        key = ("routes", number, "calling_ae_title")
        if len(title.replace("*", "")) > LONGEST_TITLE:
            yield Problem(key, f"{title!r} matches no AE title: it has more than {LONGEST_TITLE} characters")
        elif not title.isascii() or not title.isprintable() or "\\" in title:
            yield Problem(key, f"{title!r} matches no AE title: write printable ASCII without a backslash")
        elif not title or title != title.strip():
            yield Problem(key, f"{title!r} matches no AE title: remove blanks at its ends, or write '*'")


def _no_folders(settings: Settings) -> Iterator[Problem]:
    for key, path in _folders(settings):
        there = _nearest(path)
        if not there.is_dir():
            yield Problem(key, f"{there} is a file; name a folder")


def _no_writing(settings: Settings) -> Iterator[Problem]:
    for key, path in _folders(settings):
        there = _nearest(path)
        if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
            text = (
                f"this user cannot write to {there}; run the gateway as one who can, or name another folder"
            )
            yield Problem(key, text)


def own_folders(settings: Settings) -> Iterator[Problem]:
    """Yield destinations within folders of the gateway, which deletes there what its rows do not name.

    Paths are compared as they are written: a question about one that hangs would hold up every command.
    """
    own = settings.directory
    reserved = {own.spool, own.results, own.uploads, own.run, own.audit, own.log.parent, own.root / "cache"}
    for key, path in _folders(settings):
        found = next((each for each in reserved if _absolute(path).is_relative_to(_absolute(each))), None)
        if found:
            yield Problem(key, f"{found} is the gateway's own folder; name another, as outbox")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` asks the file system


def _folders(settings: Settings) -> Iterator[tuple[Location, Path]]:
    yield ("data_dir",), settings.data_dir
    for number, each in enumerate(settings.destinations):
        if isinstance(each, FolderDestination):
            yield ("destinations", number, "path"), each.path


def _nearest(path: Path) -> Path:
    """Return the path, or what is there of the folders above it."""
    return next(each for each in (path, *path.parents) if os.access(each, os.F_OK) or each == each.parent)


def _no_results(settings: Settings) -> Iterator[Problem]:
    """Yield destinations whose kind of result is never written."""
    written = {HL7Destination: "hl7", FHIRDestination: "fhir"}
    for number, each in enumerate(settings.destinations):
        name = written.get(type(each))
        if name and getattr(settings.results, name) is None:
            text = f"{each.name!r} gets nothing, since results.{name} is null; state it, if only as {{}}"
            yield Problem(("destinations", number), text)
    results = settings.results
    if settings.delivery.withdrawals is not None and results.hl7 is None and results.fhir is None:
        text = "withdraws nothing, since results.hl7 and results.fhir are null; state one, or remove this"
        yield Problem(("delivery", "withdrawals"), text)


def _no_grpc(settings: Settings) -> Iterator[Problem]:
    """Yield the protocol whose packages are not installed here."""
    model = settings.model
    absent = [name for name in ("grpc", "google.protobuf") if not _is_installed(name)]
    if model.kind == "remote" and model.protocol == "grpc" and absent:
        text = "grpc needs grpcio and protobuf, which are not installed here; run pip install"
        yield Problem(("model", "protocol"), f"{text} 'cxr-gateway[grpc]', or write http")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # not even its package
        return False


def _no_fonts(settings: Settings) -> Iterator[Problem]:
    places = settings.results.pdf_fonts
    if settings.results.draws_pages and not any(os.access(each, os.R_OK) for each in places):
        text = (
            "none of them is there, so that the PDF has Latin letters alone; "
            "apt-get install fonts-dejavu-core fonts-noto-cjk, or name other fonts"
        )
        yield Problem(("results", "pdf_fonts"), text)


def _idle_routes(settings: Settings) -> Iterator[Problem]:
    titles = [peer.ae_title for peer in settings.scp.peers]
    titles += [settings.web.stow_ae_title] if settings.web.enabled else []
    for number, route in enumerate(settings.routes):
        pattern = route.calling_ae_title
        earlier = settings.routes[:number]
        covering = next((n for n, each in enumerate(earlier) if _covers(each, route)), None)
        key = ("routes", number)
        if covering is not None:
            first = f"routes.{covering} ({earlier[covering].calling_ae_title!r})"
            yield Problem(key, f"is never reached, since {first} takes {pattern!r}; move it up, or remove it")
        elif settings.scp.peers and not any(_matches(title, pattern) for title in titles):
            text = f"{pattern!r} matches no sender; name the sender under scp.peers, or remove the route"
            yield Problem((*key, "calling_ae_title"), f"{text}{did_you_mean(pattern, titles)}")


def _idle_destinations(settings: Settings) -> Iterator[Problem]:
    routed = {name for route in settings.routes for name in route.to}
    titles = {peer.ae_title for peer in settings.scp.peers}
    for number, each in enumerate(settings.destinations):
        key = ("destinations", number)
        if each.name not in routed:
            yield Problem(key, f"no route leads to {each.name!r}; name it under routes, or remove it")
        if not isinstance(each, DicomDestination):
            continue
        if each.port == settings.scp.port and is_loopback(each.host):
            text = (
                f"{each.host}:{each.port} is this gateway, which answers none of its results; name the PACS"
            )
            yield Problem((*key, "port"), text)
        if each.storage_commitment and titles and each.ae_title not in titles:
            text = f"{each.ae_title} is not among scp.peers, and may call back to commit; name it there"
            yield Problem((*key, "storage_commitment"), text)


def _repeated_destinations(settings: Settings) -> Iterator[Problem]:
    places = Counter(map(_place, settings.destinations))
    for number, each in enumerate(settings.destinations):
        if places[_place(each)] > 1:
            text = "another destination leads to the same place, which gets results twice; remove one"
            yield Problem(("destinations", number), text)


def _repeated(settings: Settings) -> Iterator[Problem]:
    for key, values in (("scp", "peers"), settings.scp.peers), (("web", "users"), settings.web.users):
        names = [getattr(each, "name", each) for each in values]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield Problem((*key, number), "is stated more than once; remove one")


def _proxies_as_peers(settings: Settings) -> Iterator[Problem]:
    for number, peer in enumerate(settings.scp.peers):
        if settings.scp.is_proxy(peer.host):
            text = (
                f"{peer.host} is a proxy of scp.trusted_proxies; name the sender's own address, or let the "
                "sender connect through the proxy"
            )
            yield Problem(("scp", "peers", number, "host"), text)


def _idle_limits(settings: Settings) -> Iterator[Problem]:
    scp, model = settings.scp, settings.model
    if (
        scp.max_associations_per_peer > scp.max_associations
        and "max_associations_per_peer" in scp.model_fields_set
    ):
        text = f"has no effect beyond scp.max_associations, {scp.max_associations}; lower it"
        yield Problem(("scp", "max_associations_per_peer"), text)
    yield from _idle_model(model)
    if model.kind == "local" and model.precision != "auto" and model.engine == "torch":
        text = "has no effect with model.engine torch; write auto"
        yield Problem(("model", "precision"), text)


def _idle_model(model: Model) -> Iterator[Problem]:
    idle = HERE if model.kind == "remote" else AT_SERVERS
    for name in sorted(idle & model.model_fields_set):
        if getattr(model, name) != Model.model_fields[name].default:
            yield Problem(("model", name), f"has no effect with model.kind {model.kind}; remove it")


def _foreign_variables(settings: Settings) -> Iterator[Problem]:
    """Yield variables of the environment that look like settings and are none."""
    named = [each.name for each in (*settings.destinations, *settings.sources)]
    secrets = {variable for name in named for variable in secret_variables(name).values()}
    variables = [f"GATEWAY_{name.replace('.', '__').upper()}" for name in WORDING.names()]
    for name in sorted(os.environ):
        head = name.removeprefix("GATEWAY_").partition("__")[0].lower()
        if not name.startswith("GATEWAY_") or name in secrets | _NO_SETTINGS or head in Settings.model_fields:
            continue
        yield Problem(
            (name,), f"is in the environment and no setting; remove it{did_you_mean(name, variables)}"
        )


def _covers(earlier: Route, later: Route) -> bool:
    """Tell whether the earlier route takes every image that the later would; False where unsure."""
    first, second = earlier.calling_ae_title, later.calling_ae_title
    by_title = ("?" not in first or "*" not in second) and _matches(second, first)
    return by_title and earlier.when in (None, later.when)


def _matches(title: str, pattern: str) -> bool:
    return fnmatchcase(title, pattern.replace("[", "[[]"))


def _place(destination: Destination) -> tuple[object, ...]:
    match destination:
        case FolderDestination():
            return (destination.path,)
        case DicomDestination():
            return destination.ae_title, destination.host, destination.port
        case WebServer():
            return (destination.url.rstrip("/"),)
        case HL7Destination():
            return destination.host, destination.port
