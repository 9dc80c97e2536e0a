"""Refusals and errors as pages, for browsers that asked for a page; the API keeps its JSON.

A middleware around the application, so that it does not matter who refuses: guard, route, or a bug.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.web.pages.templates import page
from gateway.web.security.guard import problem
from gateway.web.site import Site

API_PATHS = ("/api/", "/dicomweb/", "/predict", "/health/", "/metrics", "/openapi.json", "/static/")
KEPT_HEADERS = ("allow", "connection", "retry-after", "www-authenticate")

_TITLES = {
    HTTPStatus.UNAUTHORIZED: "Not signed in",
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not possible here",
    HTTPStatus.REQUEST_TIMEOUT: "Too slow",
    HTTPStatus.CONFLICT: "Changed meanwhile",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Not understood",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An error in the gateway",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
}
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address takes no such request: go back and use the page's buttons",
}
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class ProblemPages:
    """Turns errors into pages where a browser waits for one, and bugs into errors."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer a bug with status 500 where no answer has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._site)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            log_bug(Event.BUG, error=repr(error))
            if answer.has_begun:
                raise
            told = problem(
                HTTPStatus.INTERNAL_SERVER_ERROR, "a bug in the gateway: its log has the traceback"
            )
            await told(scope, receive, answer.send)


class _Answer:
    """The answer to one request; one that becomes a page is held back until its body is complete."""

    def __init__(self, scope: Scope, send: Send, site: Site) -> None:
        self._scope, self._send, self._site = scope, send, site
        self._held: Message | None = None
        self._body = b""
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """Send a message of the answer, or the page in place of the last one."""
        if message["type"] == "http.response.start" and self._is_to_be_page(message):
            self._held = message
            return
        if self._held is None:
            self.has_begun = True
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            self.has_begun = True
            await self._page(self._held)(self._scope, _nothing, self._send)

    def _is_to_be_page(self, start: Message) -> bool:
        is_page = Headers(raw=start["headers"]).get("content-type", "").startswith("text/html")
        return start["status"] >= HTTPStatus.BAD_REQUEST and not is_page and asks_for_page(self._scope)

    def _page(self, start: Message) -> Response:
        status, stated = HTTPStatus(start["status"]), Headers(raw=start["headers"])
        request = Request(self._scope)
        told = _detail(self._body) or _SENTENCES.get(status, status.phrase)
        response = page(
            request,
            self._site,
            "problem.html",
            title=_TITLES.get(status, status.phrase),
            told=f"{told[:1].upper()}{told[1:]}{'' if told.endswith('.') else '.'}",
            again=request.method == "GET" and status in _LATER,
        )
        response.status_code = status
        for name in KEPT_HEADERS:
            if name in stated:
                response.headers[name] = stated[name]
        return response


def asks_for_page(scope: Scope) -> bool:
    """Tell whether a browser asks for a page: no part of one (htmx), no picture, nothing of the API."""
    headers = Headers(scope=scope)
    if "hx-request" in headers or scope["path"].startswith(API_PATHS):
        return False
    return "text/html" in headers.get("accept", "")


def _detail(body: bytes) -> str:
    """Return the problem in the body of an error of the API; empty where there is no more than its status."""
    try:
        detail: Any = json.loads(body)["detail"]
    except (ValueError, TypeError, KeyError):
        return ""
    if isinstance(detail, list):  # of pydantic: which field, and what is wrong with it
        return "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in detail)
    return "" if detail in {status.phrase for status in HTTPStatus} else str(detail)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
