"""Middleware around every request: authentication, roles, origin, size and pace of bodies, security headers.

The web application installs it. No page, file or API call is reached without it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from http import HTTPStatus
from time import monotonic
from urllib.parse import quote, unquote, urlsplit

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web.security.access import Access
from gateway.web.security.roles import may, needed_role

OPEN_PATHS = ("/static/", "/health/", "/login")
FILE_PATHS = ("/predict", "/dicomweb/")
MOST_FORM_BYTES = 64 << 10
"""Limit on forms, in bytes: a sign-in or a comment; each byte may become a field of 200 bytes."""
BODY_SECONDS = 300.0
"""Longest time for an upload to arrive, in seconds: 256 MB over 7 Mbit/s."""
FORM_SECONDS = 30.0
SILENT_SECONDS = 20.0
"""Longest pause within a body, in seconds."""
CLOSE = {"Connection": "close"}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]*)(:[0-9]{1,5})?")
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors {frames}"
)


class Guard:
    """Refuses unauthenticated requests, those beyond a user's roles, and those caused by other sites."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._threads = CapacityLimiter(4)  # separate threads: running requests must not delay authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if request.headers.get("authorization"):  # scrypt is slow, and wrong secrets are audited
            refusal = await to_thread.run_sync(self._refusal, request, limiter=self._threads)
        else:
            refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if self._access.is_foreign(request):
            return problem(HTTPStatus.FORBIDDEN, "the request comes from another site")
        if request.scope["path"].startswith(OPEN_PATHS):
            return None
        reader = self._access.reader(request)
        if reader is None:
            return self._to_sign_in(request)
        request.state.reader, request.state.roles = reader, self._access.roles(reader)
        return self._beyond(request)

    def _beyond(self, request: Request) -> Response | None:
        needed = needed_role(request.method, request.scope["path"])
        roles = request.state.roles
        if may(roles, needed):
            return None
        detail = f"this needs the role {needed}; {request.state.reader} has: {', '.join(roles)}"
        return problem(HTTPStatus.FORBIDDEN, detail)

    def _to_sign_in(self, request: Request) -> Response:
        if self._access.is_locked_out(request):
            wait = {"Retry-After": "60"}
            return problem(
                HTTPStatus.TOO_MANY_REQUESTS, "too many wrong passwords or tokens: wait a minute", wait
            )
        if request.headers.get("hx-request"):
            path, query = _path_and_query(request.headers.get("hx-current-url", ""))
            headers = {"HX-Redirect": _sign_in(path, query)}
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers=headers)
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            query = request.scope["query_string"].decode("latin-1")
            return RedirectResponse(_sign_in(request.scope["path"], query), HTTPStatus.SEE_OTHER)
        challenge = {"WWW-Authenticate": 'Bearer realm="gateway"'}
        return problem(
            HTTPStatus.UNAUTHORIZED, "authentication required: send the token or sign in", challenge
        )


def _path_and_query(url: str) -> tuple[str, str]:
    """Return the path, decoded, and the query of an address; the first page's where it is no address."""
    with suppress(ValueError):
        page = urlsplit(url)
        return unquote(page.path) or "/", page.query
    return "/", ""


def _sign_in(path: str, query: str) -> str:
    """Return the address of the sign-in page that leads back: to the search, and to what was ticked."""
    target = f"{quote(path)}?{query}" if query else quote(path)
    return f"/login?next={quote(target, safe='/')}"


class UnequivocalRequests:
    """Refuses requests that another server might read differently (RFC 9112 3.2 and 6.3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it and close."""
        if scope["type"] == "http" and (refusal := _refusal_of(scope)):
            await problem(*refusal, CLOSE)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _refusal_of(scope: Scope) -> tuple[HTTPStatus, str] | None:
    if scope["http_version"] not in ("1.0", "1.1"):
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this server speaks HTTP/1.1"
    wrong = _equivocal(scope)
    return (HTTPStatus.BAD_REQUEST, wrong) if wrong else None


def _equivocal(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        if "content-length" in headers:
            return "the request states both Transfer-Encoding and Content-Length"
        if scope["http_version"] != "1.1":
            return "Transfer-Encoding belongs to HTTP/1.1"
    if not _HOST.fullmatch(headers.get("host", "")):
        return "the Host header must be HOST or HOST:PORT"
    return None


class Upload:
    """Refuses requests with too large or too slow bodies.

    Parameters
    ----------
    most_bytes
        Limit for `FILE_PATHS`; other paths accept `MOST_FORM_BYTES`.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._files = (most_bytes, BODY_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while its body stays within size and pace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most, seconds = (
            self._files if scope["path"].startswith(FILE_PATHS) else (MOST_FORM_BYTES, FORM_SECONDS)
        )
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > most:
            error = _TooLarge(most)
            await problem(HTTPStatus(error.status_code), error.detail, CLOSE)(scope, receive, send)
            return
        await self._app(scope, _Body(receive, most, seconds).receive, send)


class _Body:
    """The body of one request; its time runs from the first read."""

    def __init__(self, receive: Receive, most_bytes: int, seconds: float) -> None:
        self._receive = receive
        self._most, self._seconds = most_bytes, seconds
        self._got = 0
        self._deadline: float | None = None

    async def receive(self) -> Message:
        """Return the next message of the body; after the last, wait without limit."""
        if self._got < 0:
            return await self._receive()
        self._deadline = self._deadline or monotonic() + self._seconds
        patience = min(SILENT_SECONDS, self._deadline - monotonic())
        try:
            with fail_after(patience):
                message = await self._receive()
        except TimeoutError:
            raise _TooSlow(self._seconds) from None
        self._got += len(message.get("body", b""))
        if self._got > self._most:
            raise _TooLarge(self._most)
        if not message.get("more_body", False):
            self._got = -1
        return message


class _TooLarge(HTTPException):  # FastAPI answers other exceptions with 400 while it reads a form
    def __init__(self, most: int) -> None:
        limit = f"{most >> 20} MB" if most >> 20 else f"{most >> 10} kB"
        detail = f"more than {limit} are not taken in one request"
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, CLOSE)


class _TooSlow(HTTPException):
    def __init__(self, seconds: float) -> None:
        detail = f"the body paused for {SILENT_SECONDS:.0f} s, or took longer than {seconds:.0f} s"
        super().__init__(HTTPStatus.REQUEST_TIMEOUT, detail, CLOSE)


class SafeHeaders:
    """Adds security headers: browsers load nothing from other sites, run nothing inline and cache no page."""

    def __init__(self, app: ASGIApp, *, frames: str = "'none'") -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": POLICY.format(frames=frames),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def unknown_image() -> Response:
    """Return the error of a request about an image that is not there."""
    return problem(HTTPStatus.NOT_FOUND, "no image with this SOP Instance UID was received")


def unknown_destination(name: str) -> Response:
    """Return the error of a request that names a destination which the settings do not."""
    return problem(HTTPStatus.BAD_REQUEST, f"there is no destination {name}")


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error response of the API: a JSON object with `detail`."""
    return JSONResponse({"detail": detail}, status, headers)
