"""Words of a search that name a patient, sealed for the address of a page.

History, bookmarks, a proxy's log and the header Referer keep addresses. Sealed words are read by the gateway
alone, for the reader who searched. Equal words are sealed alike, so that going back leads to the same page;
every web host with the sessions' key opens them.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.store.key_file import key_in


class Sealed:
    """Seals and opens by AES-256-SIV (RFC 5297).

    Parameters
    ----------
    key_file
        File of the sessions' key, from which a key of its own is derived.
    """

    def __init__(self, key_file: Path) -> None:
        self._cipher = AESSIV(hmac.digest(key_in(key_file), b"words of a search", "sha512"))

    def seal(self, reader: str, words: str) -> str:
        """Return the words for an address of this reader; `words` is not empty."""
        sealed = self._cipher.encrypt(words.encode(), [reader.encode()])
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, reader: str, sealed: str) -> str | None:
        """Return the words; None of what was not sealed here, or for another reader."""
        try:
            content = base64.b64decode(sealed + "=" * (-len(sealed) % 4), b"-_", validate=True)
            return self._cipher.decrypt(content, [reader.encode()]).decode()
        except (InvalidTag, ValueError, binascii.Error):
            return None
