"""Authentication by a token or by users with passwords; without either, local clients have access.

`Guard` asks `Access` about every request, the sign-in page about every attempt. Wrong secrets are limited to
`FAILURES_PER_MINUTE` for each client and are audited.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request

from gateway.settings import Role, Web
from gateway.web.security.passwords import is_password
from gateway.web.security.rate_limit import RateLimit
from gateway.web.security.roles import EVERY_ROLE
from gateway.web.security.sealed import Sealed
from gateway.web.security.sessions import COOKIE, Sessions

FAILURES_PER_MINUTE = 10
TOKEN_HOLDER = "token"  # noqa: S105 - the reader's name where the token came without a name
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_OWN_SITES = {"same-origin", "none"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MOST_KNOWN = 1000


class Access:
    """Authenticates requests.

    Parameters
    ----------
    key_file
        File of the key of sessions and sealed searches.
    turned_away
        Called with each request that has a wrong secret, and the given name.
    """

    def __init__(
        self, settings: Web, key_file: Path, turned_away: Callable[[Request, str], None] = lambda *_: None
    ) -> None:
        self._settings = settings
        self._turned_away = turned_away
        self.sessions = Sessions(settings, key_file)
        self.searches = Sealed(key_file)
        self._failures = RateLimit(FAILURES_PER_MINUTE)
        self._known: dict[bytes, None] = {}  # digests of verified passwords: scrypt is slow on purpose

    @property
    def is_open(self) -> bool:
        """True where the settings name neither token nor users."""
        return not (self._settings.token or self._settings.users)

    @property
    def user_names(self) -> list[str]:
        """The names of the users with passwords."""
        return [user.name for user in self._settings.users]

    def roles(self, reader: str) -> tuple[Role, ...]:
        """Return the roles of an authenticated reader: a user's own, every role of whom the token lets in."""
        return next((user.roles for user in self._settings.users if user.name == reader), EVERY_ROLE)

    def sees_patients(self, reader: str) -> bool:
        """Tell whether the reader may see who the patients are: a user with a password, where it is set.

        The audit trail names who looked. Whoever shows the token may be anybody.
        """
        return bool(self._settings.show_patient) and reader in self.user_names

    def reader(self, request: Request) -> str | None:
        """Return the authenticated reader, empty where authentication is off; None: unauthenticated."""
        if self.is_open:
            return ""
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        if kind:
            return self._authorized(request, kind.lower(), credentials)
        return self.sessions.reader(request.cookies.get(COOKIE, ""))

    def sign_in(self, request: Request, name: str, secret: str) -> str | None:
        """Return the reader's name, or None where name or secret is wrong or the client is locked out."""
        client = client_of(request)
        if self._failures.is_exhausted(client):
            return None
        reader = self._checked(name, secret)
        if reader is None:
            self._failures.take(client)
            self._turned_away(request, name)
        return reader

    def is_locked_out(self, request: Request) -> bool:
        """Tell whether the client exceeded `FAILURES_PER_MINUTE`."""
        return self._failures.is_exhausted(client_of(request))

    def is_foreign(self, request: Request) -> bool:
        """Tell whether another site caused the request (cross-site request forgery, DNS rebinding)."""
        try:
            return self._comes_from_elsewhere(request)
        except ValueError:  # the address cannot be parsed
            return True

    def _comes_from_elsewhere(self, request: Request) -> bool:
        host = request.headers.get("host", "")
        if self.is_open and not self._settings.public_upload and not self._is_own_host(host):
            return True
        if request.method in _SAFE_METHODS:
            return False
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            return site not in _OWN_SITES
        if origin is not None:
            return urlsplit(origin).netloc != host
        return COOKIE in request.cookies  # browsers that send cookies also send the origin

    def _is_own_host(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname
        return name in _LOOPBACK or name == self._settings.bind

    def _authorized(self, request: Request, kind: str, credentials: str) -> str | None:
        if kind == "bearer":  # failures of others at the same address do not lock the token out
            return TOKEN_HOLDER if self._is_token(credentials) else self.sign_in(request, "", credentials)
        if kind != "basic":
            return None
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.sign_in(request, name, password)

    def _checked(self, name: str, secret: str) -> str | None:
        for user in self._settings.users:
            if user.name == name and self._is_right(user.password, secret):
                return name
        if name not in self.user_names and self._is_token(secret):
            return name or TOKEN_HOLDER
        return None

    def _is_token(self, secret: str) -> bool:
        token = self._settings.token
        return token is not None and hmac.compare_digest(token.encode(), secret.encode())

    def _is_right(self, kept: str, password: str) -> bool:
        digest = hashlib.sha256(f"{kept}|{password}".encode()).digest()
        if digest not in self._known:
            if not is_password(password, kept):
                return False
            self._known[digest] = None
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return True


def client_of(request: Request) -> str:
    """Return the client's address, empty where unknown."""
    return request.client.host if request.client else ""
