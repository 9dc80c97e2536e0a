"""Sessions: a signed cookie with reader and expiry. `Access` verifies it, the sign-in page sets it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

from gateway.settings import Web
from gateway.store.key_file import key_in

COOKIE = "gateway_session"


class Sessions:
    """Signed cookies; removing a user or changing a password ends the user's sessions.

    Parameters
    ----------
    key_file
        File of the signing key; created at first use, readable only by the gateway's user.
    """

    def __init__(self, settings: Web, key_file: Path) -> None:
        self._settings = settings
        self._key = key_in(key_file)

    @property
    def seconds(self) -> int:
        """The duration of a session, in seconds."""
        return round(self._settings.session_hours * 3600)

    def begin(self, reader: str) -> str:
        """Return the cookie's value for an authenticated reader."""
        name = base64.urlsafe_b64encode(reader.encode()).decode()
        content = f"{name}.{int(time.time()) + self.seconds}"
        return f"{content}.{self._signature(reader, content)}"

    def reader(self, cookie: str) -> str | None:
        """Return the reader of a valid cookie, or None where it is forged, expired or malformed."""
        try:
            name, ends, signature = cookie.split(".")
            reader = base64.urlsafe_b64decode(name).decode()
            over = int(ends) < time.time()
        except ValueError:
            return None
        genuine = hmac.compare_digest(signature.encode(), self._signature(reader, f"{name}.{ends}").encode())
        return reader if genuine and not over else None

    def _signature(self, reader: str, content: str) -> str:
        secrets = {user.name: user.password for user in self._settings.users}
        secret = secrets.get(reader, self._settings.token or "")
        key = hmac.digest(self._key, secret.encode(), "sha256")
        return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
