"""Failures of a model server, by what they say of the server and of the images that it was given."""

from __future__ import annotations

from gateway.errors import Retry


class Away(Retry):
    """The server did not take the request: it is not there. Nothing is said of the images."""


class Busy(Away):
    """The server is there, and takes no request now."""


class Broke(Exception):  # noqa: N818 - the fate of the request
    """The server took the request, and no answer of use came.

    Either side may be the cause: the server may be lost, or the images may break it.

    Attributes
    ----------
    is_refusal
        The server says that the request is wrong: the model's name, the shapes, the credentials.
    """

    def __init__(self, problem: str, *, is_refusal: bool = False) -> None:
        super().__init__(problem)
        self.is_refusal = is_refusal


class Unlike(Broke):
    """Another model answers there: by its version, or by its answer to a reference image."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, is_refusal=True)


class NotANumber(Broke):
    """The output for an image is not a finite number, and that for the reference image is right."""
