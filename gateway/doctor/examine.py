"""Runs the checks in the order of the data path. `gateway doctor` prints the findings."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.answers import answers
from gateway.doctor.destinations import destinations, routes
from gateway.doctor.finding import Finding
from gateway.doctor.fonts import fonts
from gateway.doctor.model import model
from gateway.doctor.network import certificate, listener, peers, web
from gateway.doctor.processes import processes
from gateway.doctor.sources import sources
from gateway.doctor.storage import database, disk
from gateway.settings import Settings

EXAMINED = (
    disk,
    database,
    processes,
    listener,
    certificate,
    peers,
    model,
    answers,
    fonts,
    destinations,
    routes,
    sources,
    web,
)


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings of each check as soon as they are known.

    Nothing is changed or made; a C-ECHO, a search, and a request for an image that does not exist are all
    that is sent.
    """
    for part in EXAMINED:
        yield from part(settings)
