"""Decides which destinations get a result: those of the sender's route that accept its kind.

The encode step, `gateway retry` and `gateway resend` ask here.
"""

from __future__ import annotations

from gateway.settings import Settings
from gateway.store.entries import Router


def route_of(settings: Settings, *, only: str | None = None) -> Router:
    """Return the routes that are configured, or one that leads from everywhere to `only`."""

    def route(calling_ae_title: str, kind: str, media_type: str) -> tuple[str, ...]:  # noqa: ARG001
        return settings.destinations_for(calling_ae_title) if only is None else (only,)

    return route
