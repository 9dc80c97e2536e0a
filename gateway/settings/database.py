"""The forms of the setting `database`: sqlite, or a URL of PostgreSQL with one host or several."""

from __future__ import annotations

from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

SQLITE = "sqlite"
SCHEME = "postgresql"
PORT = "5432"


def database_problem(database: str) -> str | None:
    """Return what is wrong with the setting, and what to write."""
    if database == SQLITE or _is_postgresql(database):
        return None
    if database.count("@") > 1:
        return "write an @ within the user's name or password as %40"
    return "must be sqlite or postgresql://USER:PASSWORD@HOST:PORT/NAME, with HOST:PORT,HOST:PORT for several"


def with_hosts_as_parameters(database: str) -> str:
    """Return a URL that generic parsers can read: several hosts become the parameters `host` and `port`.

    libpq's form `postgresql://USER@HOST:PORT,HOST:PORT/NAME` is no URL by RFC 3986.
    """
    parts = urlsplit(database)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return database
    names, ports = zip(*map(_host_and_port, hosts.split(",")), strict=True)
    several = urlencode({"host": ",".join(names), "port": ",".join(port or PORT for port in ports)})
    query = f"{several}&{parts.query}" if parts.query else several
    return urlunsplit(SplitResult(parts.scheme, user + at, parts.path, query, parts.fragment))


def _is_postgresql(database: str) -> bool:
    try:
        parts = urlsplit(database)
        _, _, hosts = parts.netloc.rpartition("@")
        ports = [port for _, port in map(_host_and_port, hosts.split(","))]
    except ValueError:  # a port is no number, a bracket is missing
        return False
    return parts.scheme == SCHEME and parts.netloc.count("@") < 2 and all(map(_is_port, filter(None, ports)))


def _host_and_port(text: str) -> tuple[str, str]:
    parts = urlsplit(f"//{text}")
    port = text[text.rindex("]") + 1 :].removeprefix(":") if "]" in text else text.partition(":")[2]
    return parts.hostname or "", port


def _is_port(port: str) -> bool:
    return port.isascii() and port.isdigit() and 0 < int(port) < 65536
