"""Removes secrets from settings. `gateway config show` prints the result."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway.configuration.problems import SECRET_KEYS
from gateway.settings.database import with_hosts_as_parameters

HIDDEN = "********"
PLAIN_PARAMETERS = {"sslmode", "host", "hostaddr", "port", "connect_timeout", "application_name", "dbname"}
"""Parameters of a database URL that are printed; all others may hold secrets."""


def without_secrets(content: Any, key: str = "") -> Any:
    """Return settings, as returned by `model_dump`, with passwords and tokens replaced by `HIDDEN`."""
    if isinstance(content, dict):
        return {name: without_secrets(value, name) for name, value in content.items()}
    if isinstance(content, list):
        return [without_secrets(value) for value in content]
    if content and key in SECRET_KEYS:
        return HIDDEN
    return _url_without_secrets(content) if key == "database" and "://" in str(content) else content


def _url_without_secrets(text: str) -> str:
    try:
        url = make_url(with_hosts_as_parameters(text))
    except (ArgumentError, ValueError):  # the URL cannot be parsed
        return f"{urlsplit(text).scheme}://{HIDDEN}"
    query = {name: value if name in PLAIN_PARAMETERS else HIDDEN for name, value in url.query.items()}
    hidden = url.set(query=query)
    shown = hidden.set(password=HIDDEN) if url.password else hidden
    return shown.render_as_string(hide_password=False).replace("%2A", "*").replace("%2C", ",")
