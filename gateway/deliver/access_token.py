"""Access tokens by OAuth 2.0 client credentials (RFC 6749 4.4), as SMART Backend Services ask for them.

The destination `fhir` holds one for a round. The client proves who it is by a secret, or by an assertion that
it signs with its private key (RFC 7523 2.2).
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.client.exchange import Unanswered, Unreached
from gateway.client.http import Answer, WebClient
from gateway.peer_text import clean
from gateway.settings import FHIRDestination

ASSERTION_SECONDS = 240  # SMART Backend Services: at most five minutes
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_P_384_BYTES = 48


class AccessToken:
    """A token that is asked for when it is first needed.

    Parameters
    ----------
    stopping
        Once set, a request is ended within seconds.
    """

    def __init__(self, settings: FHIRDestination, stopping: threading.Event | None = None) -> None:
        self._settings = settings
        changes = {"url": settings.token_url, "username": None, "password": None, "bearer_token": None}
        self._client = WebClient(settings.model_copy(update=changes), stopping)
        self._token = ""

    def header(self) -> dict[str, str]:
        """Return the header that shows the token.

        Raises
        ------
        Unreached
            If there is none: nothing is sent to the server itself.
        """
        if not self._token:
            self._token = self._ask()
        return {"Authorization": f"Bearer {self._token}"}

    def _ask(self) -> str:
        settings = self._settings
        form = {"grant_type": "client_credentials"} | ({"scope": settings.scope} if settings.scope else {})
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if settings.client_key is None:
            headers["Authorization"] = self._basic()
        else:
            form |= {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self._assertion()}
        try:
            answer = self._client.request("POST", "", headers, (urlencode(form).encode(),))
        except Unanswered as problem:
            raise Unreached(f"no access token: {problem}") from problem
        return _token_in(answer)

    def _basic(self) -> str:
        """Return client_secret_basic (RFC 6749 2.3.1)."""
        settings = self._settings
        secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
        pair = f"{quote(settings.client_id or '', safe='')}:{quote(secret, safe='')}"
        return f"Basic {b64encode(pair.encode()).decode()}"

    def _assertion(self) -> str:
        """Return private_key_jwt.

        Raises
        ------
        Unreached
            If the private key cannot be used.
        """
        settings = self._settings
        try:
            content = settings.client_key.read_bytes() if settings.client_key else b""
            key = load_pem_private_key(content, None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            told = f"client_key {settings.client_key} cannot be used ({error})"
            raise Unreached(f"no access token: {told}") from error
        claims = {
            "iss": settings.client_id,
            "sub": settings.client_id,
            "aud": settings.token_url,
            "exp": int(time.time()) + ASSERTION_SECONDS,
            "jti": uuid.uuid4().hex,
        }
        return signed(claims, key, settings.client_key_id)


def signed(claims: dict[str, Any], key: Any, key_id: str | None) -> str:
    """Return a JWT (RFC 7515), by RS384 or ES384 as the key is.

    Raises
    ------
    Unreached
        If the key is neither RSA nor of the curve P-384.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = "RS384"
    elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        algorithm = "ES384"
    else:
        raise Unreached("no access token: client_key must be RSA, or EC of the curve P-384")
    head = {"alg": algorithm, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    content = ".".join(_base64url(json.dumps(each).encode()) for each in (head, claims))
    return f"{content}.{_base64url(_signature(content.encode(), key))}"


def _signature(content: bytes, key: Any) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), SHA384())
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(SHA384())))
    return r.to_bytes(_P_384_BYTES, "big") + s.to_bytes(_P_384_BYTES, "big")  # RFC 7518 3.4


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _token_in(answer: Answer) -> str:
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        document = None
    found = document if isinstance(document, dict) else {}
    token = found.get("access_token")
    if answer.is_success and isinstance(token, str) and token.isascii() and token.isprintable() and token:
        return token
    error = found.get("error")
    told = f": {clean(error, 100)}" if isinstance(error, str) else ", and no token"
    raise Unreached(f"no access token: {answer}{told}")
