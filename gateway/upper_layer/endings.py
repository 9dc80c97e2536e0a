"""Causes of the end of a connection, in words.

The provider and the couriers build them; the owner of the connection logs one cause for each connection.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.peer_text import clean

# A-ABORT reasons of the service provider (PS3.8 Table 9-26)
NOT_SPECIFIED = 0
UNRECOGNISED_PDU = 1
UNEXPECTED_PDU = 2
INVALID_PARAMETER = 6

_ABORT_REASONS = {
    NOT_SPECIFIED: "no reason given",
    UNRECOGNISED_PDU: "unrecognised PDU",
    UNEXPECTED_PDU: "unexpected PDU",
    4: "unrecognised PDU parameter",
    5: "unexpected PDU parameter",
    INVALID_PARAMETER: "invalid PDU parameter value",
}
_REJECT_REASONS = {  # source, reason (PS3.8 Table 9-21)
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_SERVICE_USER = 0  # source of an A-ABORT


class Malformed(Exception):  # noqa: N818 - describes the bytes
    """The peer sent bytes that PS3.8 or PS3.7 does not allow; the association is aborted with `reason`.

    The message is a sentence without full stop, whose subject is the peer.
    """

    def __init__(self, cause: str, reason: int = INVALID_PARAMETER) -> None:
        super().__init__(cause)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a connection other than by release.

    Attributes
    ----------
    cause
        Sentence without full stop and without control characters.
    by_peer
        Whether the peer ended the connection, not the gateway.
    associated
        Whether an association was established before.
    silent
        Whether the peer never sent a byte, as a TCP probe.
    """

    cause: str
    by_peer: bool
    associated: bool
    silent: bool = False


def abort_cause(source: int, reason: int) -> str:
    """Return the cause of an A-ABORT by the peer (PS3.8 Table 9-26)."""
    if source == _SERVICE_USER:
        return "the peer aborted the association"
    return f"the peer aborted the association: {_ABORT_REASONS.get(reason, f'reason {reason}')}"


def reject_reason(source: int, reason: int) -> str:
    """Return source and reason of an A-ASSOCIATE-RJ in words (PS3.8 Table 9-21)."""
    return _REJECT_REASONS.get((source, reason), f"source {source}, reason {reason}")


def protocol_of(head: bytes) -> str | None:
    """Return the name of another protocol by its first bytes, or None for a possible PDU."""
    if head[:2] in (b"\x16\x03", b"\x15\x03"):  # handshake and alert records (RFC 8446 5.1)
        return "TLS"
    if head[:4] in (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"HTTP"):
        return "HTTP"
    if head[:5] == b"PROXY" or head[:6] == b"\r\n\r\n\x00\r":
        return "the PROXY protocol of a load balancer (see scp.trusted_proxies)"
    return "SSH" if head[:4] == b"SSH-" else None


def unrecognised(head: bytes) -> Malformed:
    """Return the exception for a PDU of an undefined type (PS3.8 9.3.1)."""
    other = protocol_of(head)
    cause = f"the peer speaks {other}, not DICOM" if other else f"the peer sent a PDU of type 0x{head[0]:02X}"
    return Malformed(f"{cause} (first bytes {clean(head.hex(' '))})", UNRECOGNISED_PDU)
