"""Hashes and verifies passwords with salted scrypt (RFC 7914). `hash-password` and `Access` call it."""

from __future__ import annotations

import hashlib
import hmac
import os

_COST = 15  # 2**15 blocks of 1 KiB: 32 MiB and about 0.1 s
_MEMORY = 64 * 1024 * 1024


def hash_password(password: str) -> str:
    """Return the hash of `password` for the settings: `scrypt$COST$SALT$HASH`."""
    salt = os.urandom(16)
    return f"scrypt${_COST}${salt.hex()}${_hash(password, salt, _COST).hex()}"


def is_password(password: str, kept: str) -> bool:
    """Tell whether `password` matches the hash `kept`."""
    _, cost, salt, expected = kept.split("$")
    given = _hash(password, bytes.fromhex(salt), int(cost))
    return hmac.compare_digest(given, bytes.fromhex(expected))


def _hash(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**cost, r=8, p=1, maxmem=_MEMORY, dklen=32)
