"""Headers of the PROXY protocol, version 2, as bytes: correct unless the caller says otherwise."""

from __future__ import annotations

import struct
from ipaddress import ip_address

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def header(
    source: str,
    port: int = 40_000,
    *,
    extensions: bytes = b"",
    version_and_command: int = 0x21,
    family: int | None = None,
    length: int | None = None,
) -> bytes:
    """Return the header by which a proxy hands on a connection from `source`."""
    address = ip_address(source)
    target = ip_address("192.0.2.1" if address.version == 4 else "2001:db8::1")
    rest = address.packed + target.packed + struct.pack(">HH", port, 11112) + extensions
    kind = (0x11 if address.version == 4 else 0x21) if family is None else family
    claimed = len(rest) if length is None else length
    return SIGNATURE + struct.pack(">BBH", version_and_command, kind, claimed) + rest


def extension(kind: int, value: bytes) -> bytes:
    """Return one extension (TLV)."""
    return struct.pack(">BH", kind, len(value)) + value
