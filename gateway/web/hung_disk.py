"""Middleware before every page and call: while the data directory hangs, each is told so.

Without it every request would lose a thread to the disk, until none is left for the next one.
"""

from __future__ import annotations

from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import Retry
from gateway.files.answering import Answering
from gateway.web.security.guard import problem

ASK_NOTHING = ("/static/", "/health/")
"""Paths that need no data, or whose answer is what hangs."""


class HungDisk:
    """Answers 503 while the data directory does not answer.

    Parameters
    ----------
    data_dir
        The data directory.
    """

    def __init__(self, app: ASGIApp, data_dir: Answering) -> None:
        self._app = app
        self._data_dir = data_dir
        self._threads = CapacityLimiter(4)  # their own: those of other requests may be lost to the disk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and not scope["path"].startswith(ASK_NOTHING):
            try:
                if not self._data_dir.has_just_answered():
                    await to_thread.run_sync(self._data_dir.check, limiter=self._threads)
            except Retry as hangs:
                refusal = problem(HTTPStatus.SERVICE_UNAVAILABLE, str(hangs), {"Retry-After": "5"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
