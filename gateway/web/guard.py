"""Around every request: who asks, from which site, how much is sent, what browsers may do with the answer."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web.access import Access

OPEN_PATHS = ("/static/", "/health/", "/login")
FILE_PATHS = ("/predict", "/dicomweb/")
MOST_FORM_BYTES = 1 << 20
CLOSE = {"Connection": "close"}
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors {frames}"
)


class Guard:
    """Lets nobody in who is not known, and no other site's requests."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._threads = CapacityLimiter(4)  # its own: who works holds up nobody who comes in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if request.headers.get("authorization"):  # scrypt takes its time, and a wrong secret is audited
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
        request.state.reader = reader
        return None

    def _to_sign_in(self, request: Request) -> Response:
        if self._access.is_locked_out(request):
            wait = {"Retry-After": "60"}
            return problem(HTTPStatus.TOO_MANY_REQUESTS, "wrong too often; wait a minute", wait)
        if request.headers.get("hx-request"):
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/login"})
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            target = quote(request.scope["path"], safe="/")
            return RedirectResponse(f"/login?next={target}", HTTPStatus.SEE_OTHER)
        challenge = {"WWW-Authenticate": 'Bearer realm="gateway"'}
        return problem(HTTPStatus.UNAUTHORIZED, "show the token or sign in", challenge)


class UploadLimit:
    """Ends a request that sends more than it may, before it is kept anywhere.

    Parameters
    ----------
    most_bytes
        To the paths that take files; the others take forms.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while it is small enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most if scope["path"].startswith(FILE_PATHS) else MOST_FORM_BYTES
        length = Request(scope).headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            error = _TooLarge(most)
            await problem(HTTPStatus(error.status_code), error.detail, CLOSE)(scope, receive, send)
            return
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise _TooLarge(most)
            return message

        await self._app(scope, counted, send)


class _TooLarge(HTTPException):  # FastAPI's own: any other would become 400 while a form is read
    def __init__(self, most: int) -> None:
        told = f"more than {most >> 20} MB are not taken in one request"
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told, CLOSE)


class SafeHeaders:
    """Tells browsers to load nothing from elsewhere, to run nothing inline and to keep no page."""

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
        """Add the headers to the answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as the API tells it."""
    return JSONResponse({"detail": detail}, status, headers)
