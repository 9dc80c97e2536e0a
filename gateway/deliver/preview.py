"""Which images routes would send elsewhere than their results went: before a change of routes is activated.

`gateway route --last` calls it. Rows and headers are read; nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.rules.attributes import HeaderReader, NoHeader, header_of, no_header, of_image
from gateway.store.entries import Router
from gateway.store.queries.routed import RoutedImage

Names = tuple[str, ...]
Reading = Callable[[Path | None, str | None], HeaderReader]
"""Returns the reader of an image, by its file, if there is one, and the source that it was fetched from."""


@dataclass(frozen=True, slots=True)
class Change:
    """Images of one sender that went to `before` and would go to `after`; both sorted, empty is nowhere."""

    calling_ae_title: str
    before: Names
    after: Names


@dataclass(slots=True)
class Preview:
    """Images by change, newest first; how many stay; images whose header cannot be read."""

    changes: dict[Change, list[str]] = field(default_factory=dict)
    same: int = 0
    unjudged: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """Number of images that would go elsewhere."""
        return sum(map(len, self.changes.values()))


def _header_of(path: Path | None, pulled_from: str | None) -> HeaderReader:
    return of_image(no_header if path is None else header_of(path), pulled_from)


def preview(
    images: Iterable[RoutedImage],
    route: Router,
    read: Reading = _header_of,
) -> Preview:
    """Compare where the results of images went with where `route` leads; `read` reads a file's header."""
    found = Preview()
    for image in images:
        try:
            after = tuple(sorted(set(_destinations(image, route, read))))
        except NoHeader:
            found.unjudged.append(image.sop_instance_uid)
            continue
        if after == image.destinations:
            found.same += 1
        else:
            change = Change(image.calling_ae_title, image.destinations, after)
            found.changes.setdefault(change, []).append(image.sop_instance_uid)
    return found


def _destinations(image: RoutedImage, route: Router, read: Reading) -> Iterator[str]:
    header = read(image.file, image.pulled_from)
    for kind, media_type in image.kinds:
        yield from route(image.calling_ae_title, kind, media_type, header)


def in_words(names: Sequence[str]) -> str:
    """Return names of destinations as text."""
    return ", ".join(names) or "nowhere"
