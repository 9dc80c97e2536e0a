"""Headers of received images for questions about routes, from wherever the store keeps the files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gateway.errors import Retry
from gateway.rules.attributes import Attributes, HeaderReader, NoHeader, header_of, no_header, of_image
from gateway.store.ledger import Ledger


def kept_header_of(ledger: Ledger, path: Path | None, pulled_from: str | None) -> HeaderReader:
    """Return the reader of an image; its file is fetched once a condition asks for it.

    `path` is None where the file has been deleted, `pulled_from` where no source gave the image.
    """
    return of_image(no_header if path is None else _kept(ledger, path), pulled_from)


def _kept(ledger: Ledger, path: Path) -> HeaderReader:
    reader = header_of(path)

    def read(names: Collection[str]) -> Attributes:
        try:
            ledger.fetch(path)
        except Retry as problem:
            raise NoHeader(f"its file cannot be had: {problem}") from problem
        return reader(names)

    return read
