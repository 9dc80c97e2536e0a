"""Decides which destinations get a result: those of the sender's route that accept its kind.

The encode step, `gateway retry` and `gateway resend` ask here.
"""

from __future__ import annotations

from gateway.deliver.destinations import KINDS, Kinds, open_destinations
from gateway.settings import Settings
from gateway.store.entries import Router


def route_of(settings: Settings, *, only: str | None = None, kinds: Kinds = KINDS) -> Router:
    """Return the routes that are configured, or one that leads from everywhere to `only`."""
    destinations = open_destinations(settings, kinds)

    def route(calling_ae_title: str, kind: str, media_type: str) -> tuple[str, ...]:
        names = settings.destinations_for(calling_ae_title) if only is None else (only,)
        return tuple(name for name in names if destinations[name].accepts(kind, media_type))

    return route
