"""Verification (PS3.4 Annex A): every admitted peer learns that the gateway is alive."""

from __future__ import annotations

from pynetdicom.events import Event

from gateway.dicom.statuses import Status


def answer_c_echo(_: Event) -> int:
    """Answer a C-ECHO request: always success."""
    return Status.SUCCESS
