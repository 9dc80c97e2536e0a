"""The pages `/login` and `/logout`: they set and delete the session cookie."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.web.pages.templates import page
from gateway.web.security.sessions import COOKIE
from gateway.web.site import Site

WRONG = "Name and password are not right."
NOT_THE_WORD = "The token is not right."
LOCKED_OUT = "Wrong too often. Wait a minute."
LONGEST_TARGET = 16_384
"""Characters of the address to return to: with 500 ticked rows it has 6,000."""


def routes(site: Site) -> APIRouter:
    """Return the routes of `/login` and `/logout`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login", response_class=HTMLResponse)
    def form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the query's name
        return page(request, site, "login.html", target=_own(next), problem="", users=site.access.user_names)

    @router.post("/login", response_class=HTMLResponse)
    def sign_in(
        request: Request,
        secret: Annotated[str, Form(max_length=1024)],
        name: Annotated[str, Form(max_length=64)] = "",
        target: Annotated[str, Form(max_length=LONGEST_TARGET)] = "/",
    ) -> Response:
        reader = site.access.sign_in(request, name.strip(), secret)
        if reader is None:
            locked_out = site.access.is_locked_out(request)
            wrong = WRONG if site.access.user_names else NOT_THE_WORD
            response: Response = page(
                request,
                site,
                "login.html",
                target=_own(target),
                users=site.access.user_names,
                problem=LOCKED_OUT if locked_out else wrong,
            )
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS if locked_out else HTTPStatus.UNAUTHORIZED
            return response
        response = RedirectResponse(_own(target), HTTPStatus.SEE_OTHER)
        sessions = site.access.sessions
        response.set_cookie(
            COOKIE,
            sessions.begin(reader),
            sessions.seconds,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @router.post("/logout")
    def sign_out() -> Response:
        response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        response.delete_cookie(COOKIE)
        response.headers["Clear-Site-Data"] = '"cache"'  # the thumbnails
        return response

    return router


def _own(target: str) -> str:
    """Return `target` if it is a path of this site, else `/`."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_path else "/"
