"""Exceptions whose type alone decides the outcome of the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.records import Reason


class GatewayError(Exception):
    """A problem with a message for the person who runs the gateway: what is wrong and what to do."""


class ConfigurationError(GatewayError):
    """The settings, the model or the environment do not allow a start. Exit status 2."""


class DatabaseAway(ConfigurationError):  # noqa: N818 - what is the case
    """The database does not answer. A role waits for it at its start; a command ends.

    Attributes
    ----------
    name_is_unknown
        Whether the name of its host is not known: the name server may be away, or the name be wrong.
    """

    def __init__(self, told: str, *, name_is_unknown: bool = False) -> None:
        super().__init__(told)
        self.name_is_unknown = name_is_unknown


class NoGatewayYet(GatewayError):  # noqa: N818 - what is the case
    """Nothing is kept where the settings say: it is the wrong place, or the first start is still to come."""


class Retry(GatewayError):  # noqa: N818 - reads as what the queue does
    """The world may heal: the same step is tried again later."""


class Missing(Retry):
    """A kept file is not where the ledger says: its work waits until it is back, or a person gives it up."""


class Reject(GatewayError):  # noqa: N818 - reads as what the queue does
    """It never will: the job ends as `failed` with this reason code and sentence."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Reject], tuple[Reason, str]]:
        """Pass both parts from a sandbox to its owner; by itself an exception would pass its text alone."""
        return Reject, (self.reason, self.detail)
