"""Digest of decoded pixels. The worker recognises images by it that were sent again with another header."""

from __future__ import annotations

import hashlib

import numpy as np

from gateway.records import GreyImage


def pixel_digest(grey: GreyImage) -> str:
    """Return the hexadecimal SHA-256 over shape and pixels; equal images have equal digests."""
    rows, columns = grey.pixels.shape
    digest = hashlib.sha256(f"{rows}x{columns}:".encode())
    digest.update(np.ascontiguousarray(grey.pixels, "<u2").data)
    return digest.hexdigest()
