"""Examines the fonts of the PDF: which scripts of patients' names they have."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.finding import Finding, doubtful, good
from gateway.results.fonts import Fonts
from gateway.settings import Settings

SCRIPTS = {
    "Latin with diacritics": "éřłễ",
    "Greek": "Ωή",
    "Cyrillic": "Жї",
    "Arabic": "قي",
    "Hebrew": "אש",
    "Japanese": "山やヤ",
    "Chinese": "东國",
    "Korean": "홍洪",
}
"""Letters by which a script is recognised."""


def fonts(settings: Settings) -> Iterator[Finding]:
    """Name the scripts that no font has; nothing is told where no PDF is written."""
    if not settings.results.draws_pages:
        return
    found = Fonts(settings.results.pdf_fonts)
    missing = [script for script, letters in SCRIPTS.items() if found.without_font(letters)]
    if missing:
        advice = (
            "here: apt-get install fonts-dejavu-core fonts-noto-cjk, or name fonts under results.pdf_fonts; "
            "until then such letters are boxes in the PDF"
        )
        yield doubtful("fonts of the PDF", f"none has {', '.join(missing)}", advice)
    else:
        yield good("fonts of the PDF", ", ".join(path.name for path in found.found[:4]))
