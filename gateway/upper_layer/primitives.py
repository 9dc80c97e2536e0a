"""Primitives between a connection's provider and its association, and their queues. `provider` calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue
from typing import Any

from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT


class Primitives(Queue[Any]):
    """A queue of primitives that tells of each one that is put in."""

    def __init__(self, on_put: Callable[[], None]) -> None:
        super().__init__()
        self._on_put = on_put

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a primitive in, and tell."""
        super().put(item, block, timeout)
        self._on_put()


@dataclass(frozen=True, slots=True)
class ReceivedPDU:
    """A received PDU in the form that pynetdicom's state machine expects."""

    primitive: Any
    protocol_version: int = 1

    def to_primitive(self) -> Any:
        return self.primitive


def user_abort() -> A_ABORT:
    """Return an abort by the peer."""
    primitive = A_ABORT()
    primitive.abort_source = 0
    return primitive


def provider_abort(reason: int) -> A_P_ABORT:
    """Return an abort by a provider, with its reason (PS3.8 Table 9-26)."""
    primitive = A_P_ABORT()
    primitive.provider_reason = reason
    return primitive
