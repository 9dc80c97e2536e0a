"""Finds senders without a route. `gateway config check` and `gateway doctor` report them."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.settings import Settings


def gaps(settings: Settings) -> Iterator[str]:
    """Yield the senders whose images are answered, but whose results have no destination."""
    for peer in settings.scp.peers:
        if not settings.destinations_for(peer.ae_title):
            yield peer.ae_title
    if settings.web.enabled and not settings.destinations_for(settings.web.stow_ae_title):
        yield f"{settings.web.stow_ae_title} (images by STOW-RS)"
    everybody = any(route.calling_ae_title == "*" and route.to for route in settings.routes)
    if not settings.scp.peers and not everybody:
        yield "AE titles that no route names"
