"""Headers of received images for questions about routes, from wherever the store keeps the files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gateway.errors import Retry
from gateway.rules.attributes import Attributes, HeaderReader, NoHeader, header_of
from gateway.store.ledger import Ledger


def kept_header_of(ledger: Ledger, path: Path) -> HeaderReader:
    """Return the reader of a received file; the file is fetched once a condition asks for it."""
    reader = header_of(path)

    def read(names: Collection[str]) -> Attributes:
        try:
            ledger.fetch(path)
        except Retry as problem:
            raise NoHeader(f"its file cannot be had: {problem}") from problem
        return reader(names)

    return read
