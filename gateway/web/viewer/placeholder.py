"""Draws a placeholder in the place of a picture that does not exist. `pictures` and the pages call it."""

from __future__ import annotations

from enum import StrEnum

from markupsafe import Markup

from gateway.records import Reason
from gateway.store.queries.views import ImageView

_FRAME = Markup(
    '<rect x="16" y="20" width="128" height="84" rx="8" fill="none" stroke="#6b7f91" stroke-width="4"/>'
)


class Why(StrEnum):
    """Why an image has no picture; the value is read by people."""

    DELETED = "file no longer kept"
    REFUSED = "refused"
    NO_PIXELS = "no pixels"
    COLOUR = "colour image"
    FRAMES = "several frames"
    TOO_LARGE = "too large"
    UNREADABLE = "cannot be decoded"


_PATHS = {
    Why.DELETED: "M56 46h48M66 46l4 44h20l4-44M72 46v-8h16v8",
    Why.REFUSED: "M54 62a26 26 0 1 0 52 0a26 26 0 1 0-52 0M62 80l36-36",
    Why.NO_PIXELS: "M52 42h14M52 62h14M52 82h14M76 42h32M76 62h32M76 82h32",
    Why.COLOUR: "M54 54a16 16 0 1 0 32 0a16 16 0 1 0-32 0M74 54a16 16 0 1 0 32 0a16 16 0 1 0-32 0"
    "M64 72a16 16 0 1 0 32 0a16 16 0 1 0-32 0",
    Why.FRAMES: "M52 36h40v40h-40zM64 76v12h44v-44h-16",
    Why.TOO_LARGE: "M52 50v-14h14M108 50v-14h-14M52 74v14h14M108 74v14h-14M62 46l36 32",
    Why.UNREADABLE: "M60 42l40 40M100 42l-40 40",
}
_OF_REASON = {
    Reason.NO_PIXELS: Why.NO_PIXELS,
    Reason.COLOUR: Why.COLOUR,
    Reason.MULTI_FRAME: Why.FRAMES,
    Reason.TOO_LARGE: Why.TOO_LARGE,
    Reason.FILE_MISSING: Why.DELETED,
}


def certain(image: ImageView) -> Why | None:
    """Return why an image has certainly no picture, by its row; None where a decoder is to try."""
    if image.source_deleted_at:
        return Why.DELETED
    return _OF_REASON.get(Reason(image.reason)) if image.reason else None


def why_none(image: ImageView, rejected: Reason | None) -> Why:
    """Return why an image has no picture, by its row and by what the decoder has told."""
    told = _OF_REASON.get(rejected) if rejected else None
    return certain(image) or told or Why.UNREADABLE


def placeholder(why: Why) -> Markup:
    """Return the drawing as SVG, on a dark ground as every picture; its words are legible from 100 pixels."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160" width="160" height="160" role="img"'
        ' aria-label="No picture: {why}"><title>No picture: {why}</title>'
        '<rect width="160" height="160" rx="6" fill="#10161c"/>{frame}'
        '<path d="{path}" fill="none" stroke="#a9b8c6" stroke-width="6" stroke-linejoin="round"/>'
        '<text x="80" y="134" fill="#c3ced8" font-family="sans-serif" font-size="15" text-anchor="middle">'
        "{why}</text></svg>"
    ).format(why=why.value, frame=_FRAME, path=_PATHS[why])
