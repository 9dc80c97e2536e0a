"""Problems between sections of the settings, each of which is valid by itself. `Settings` calls it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.settings.database import database_problem
from gateway.yaml_files.wording import did_you_mean

if TYPE_CHECKING:
    from gateway.settings import Settings

_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def problems_across(settings: Settings) -> list[str]:
    """Return each problem as `key: sentence`."""
    return [
        *_route_problems(settings),
        *_source_problems(settings),
        *_exposure_problems(settings),
        *_database_problems(settings),
        *_age_problems(settings),
        *_engine_problems(settings),
        *_port_problems(settings),
        *_health_problems(settings),
    ]


def _route_problems(settings: Settings) -> list[str]:
    names = [destination.name for destination in settings.destinations]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems = [f"destinations: the name {name!r} is used more than once" for name in repeated]
    if "routes" not in settings.model_fields_set and not set(settings.routes[0].to) <= set(names):
        told = f"the default leads to {settings.routes[0].to[0]!r}, and no destination has this name"
        return [*problems, f"routes: must be stated; {told}"]
    for number, route in enumerate(settings.routes):
        unknown = sorted(set(route.to) - set(names))
        told = f"there are: {', '.join(names) or 'none'}"
        problems += [
            f"routes.{number}.to: no destination is named {name!r}; {told}{did_you_mean(name, names)}"
            for name in unknown
        ]
        twice = sorted({name for name in route.to if route.to.count(name) > 1})
        problems += [f"routes.{number}.to: {name!r} is named more than once" for name in twice]
    return problems


def _source_problems(settings: Settings) -> list[str]:
    names = [source.name for source in settings.sources]
    repeated = sorted({name for name in names if names.count(name) > 1})
    return [f"sources: the name {name!r} is used more than once" for name in repeated]


def _exposure_problems(settings: Settings) -> list[str]:
    scp, web, problems = settings.scp, settings.web, []
    if not is_loopback(scp.bind) and not scp.peers:
        problems.append(f"scp.peers: list who may send, since scp.bind {scp.bind} is not loopback")
    if scp.trusted_proxies and not scp.peers:
        problems.append("scp.peers: list who may send, since scp.trusted_proxies let other machines connect")
    if not (is_loopback(web.bind) or web.token or web.users or web.public_upload):
        problems.append(f"web.token: set one, since web.bind {web.bind} is not loopback")
    if web.show_patient and not web.users:
        problems.append(
            "web.show_patient: signed-in shows nobody anything without web.users; name users there"
        )
    names = [user.name for user in web.users]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems += [f"web.users: the name {name!r} is used more than once" for name in repeated]
    return problems


def _database_problems(settings: Settings) -> list[str]:
    problem = database_problem(settings.database)
    return [f"database: {problem}"] if problem else []


def _age_problems(settings: Settings) -> list[str]:
    low, high = settings.select.min_age_years, settings.select.max_age_years
    if low is None or high is None or low <= high:
        return []
    return [f"select.min_age_years: {low:g} is more than select.max_age_years, {high:g}"]


def _engine_problems(settings: Settings) -> list[str]:
    model = settings.model
    if model.kind == "remote":
        return _server_problems(settings)
    if model.engine != "openvino" or not model.device.startswith("cuda"):
        return []
    return [f"model.engine: openvino runs on processors, not on {model.device}; write auto or torch"]


def _server_problems(settings: Settings) -> list[str]:
    model = settings.model
    if not model.urls:
        return ["model.urls: name the model servers, as [http://gpu1:8000]; or write model.kind: local"]
    if model.protocol == "grpc":
        text = "has a path, which gRPC does not; write the address alone, as http://gpu1:8001"
        return [f"model.urls: {url} {text}" for url in model.urls if urlsplit(url).path.strip("/")]
    return []


def _port_problems(settings: Settings) -> list[str]:
    binds = {settings.scp.bind, settings.web.bind}
    if not settings.web.enabled or settings.scp.port != settings.web.port or not settings.web.port:
        return []
    if len(binds) > 1 and not binds & _EVERY_ADDRESS:
        return []
    return [f"web.port: {settings.web.port} is scp.port, too; each needs its own"]


def _health_problems(settings: Settings) -> list[str]:
    scp, web = settings.scp, settings.web
    if not scp.health_port:
        return []
    taken = {"scp.port": scp.port, **({"web.port": web.port} if web.enabled else {})}
    return [
        f"scp.health_port: {scp.health_port} is {name}, too; each needs its own"
        for name, port in taken.items()
        if port == scp.health_port
    ]


def is_loopback(bind: str) -> bool:
    """Tell whether an address or name is of this machine alone."""
    if bind == "localhost":
        return True
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False
