"""UIDs of the gateway's own: its implementation, and those that follow from what they name."""

from __future__ import annotations

import hashlib
import uuid

IMPLEMENTATION_CLASS_UID = "2.25.268574729686698727908756044073982378165"  # PS3.7 D.3.3.2

IMPLEMENTATION_VERSION_NAME = "CXR_GATEWAY"


def uid_from(name: str) -> str:
    """Return a UID under 2.25 (PS3.5 B.2) derived from `name`: the same name, the same UID."""
    digest = hashlib.sha256(f"cxr-gateway|{name}".encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"
