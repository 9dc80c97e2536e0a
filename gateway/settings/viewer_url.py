"""The address of an image in the site's PACS viewer: a template, checked and filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator

PLACES = ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
_BRACES = re.compile(r"\{([^{}]*)\}")
_ALLOWED = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")  # RFC 3986, 2


def _checked(template: str) -> str:
    """Return the template, or raise ValueError with the remedy."""
    named = _BRACES.findall(template)
    unknown = [name for name in named if name not in PLACES]
    known = ", ".join(f"{{{name}}}" for name in PLACES)
    if unknown:
        raise ValueError(f"{{{unknown[0]}}} is unknown: an address may hold {known}")
    if not named:
        raise ValueError(f"the address names no image: it needs one of {known}")
    bare = _BRACES.sub("1", template)
    if not _ALLOWED.fullmatch(bare):
        raise ValueError("the address holds a character that no URL may hold: write it as %XX")
    address = urlsplit(bare)
    _ = address.port  # raises what is wrong with a port
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("the address must begin with http:// or https:// and a host")
    if "@" in address.netloc:
        raise ValueError("the address must hold no user name or password: every reader would see them")
    if address.netloc not in template.split("/", 3)[2]:
        raise ValueError("the host of the address must be fixed: a UID belongs after it")
    return template


ViewerURL = Annotated[str, AfterValidator(_checked)]


def viewer_address(template: str, uids: Mapping[str, str]) -> str:
    """Return the template with an image's UIDs, each percent-encoded: a sender writes UIDs as it likes."""
    return _BRACES.sub(lambda place: quote(uids[place[1]], safe=""), template)
