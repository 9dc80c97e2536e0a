"""Draws the page of the Encapsulated PDF: one sheet that a clinician reads. `encapsulated_pdf` calls it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, cast

from PIL import Image
from pydicom.dataset import Dataset

from gateway.results.answer import RESEARCH_BANNER, RESEARCH_SENTENCE, Answer, site_in_words, summary
from gateway.results.fonts import Fonts, scripts
from gateway.results.modules import local_time
from gateway.results.person_name import plain, readable_name
from gateway.results.picture import panels
from gateway.results.result import AnsweredImage, ResultRules

if TYPE_CHECKING:
    from fpdf import FPDF

TITLE = "Answer of an image classifier to a chest radiograph"

_WIDTH, _MARGIN = 210, 15  # of an A4 page, in mm
_INSIDE = _WIDTH - 2 * _MARGIN
_LABEL = 32  # width of a field's name
_SMALLEST = 6  # type size in points: smaller letters are not read
_AMBER, _BLACK, _GREY, _RED = (255, 176, 0), (0, 0, 0), (90, 90, 90), (170, 0, 0)
_Colour = tuple[int, int, int]


def page_of(image: AnsweredImage, rules: ResultRules) -> bytes:
    """Return the page under the rules of a site; it is drawn once for all kinds of result that hold it."""
    how = rules.pdf_fonts, rules.lung_outline
    if how not in image.pages:
        image.pages[how] = page(image, Fonts(rules.pdf_fonts), lung_outline=rules.lung_outline)
    return image.pages[how]


def page(image: AnsweredImage, fonts: Fonts, *, lung_outline: bool = False) -> bytes:
    """Return the page as a PDF file: the same image, answer and fonts always give the same bytes."""
    words = _Words(image, fonts)
    sheet = _Sheet(words, fonts)
    sheet.banner()
    sheet.fields(words.patient)
    sheet.paragraph(words.sentence, 14, most=4)
    sheet.picture(image, lung_outline=lung_outline)
    for line in words.provenance:
        sheet.paragraph(line, 8, _GREY, most=3)
    sheet.note(words.without_font)
    sheet.close(RESEARCH_SENTENCE)
    return sheet.content(local_time(image.source, image.answer))


class _Words:
    """The text of the page, in letters that the fonts have; other letters are boxes, and counted."""

    def __init__(self, image: AnsweredImage, fonts: Fonts) -> None:
        self._fonts = fonts
        self._lacking = ""
        header = image.source.dataset
        self.patient = tuple((label, tuple(map(self._drawn, lines))) for label, lines in self._fields(header))
        """Label and lines of each field; a field without a value has the line `not stated`."""
        self.sentence = self._drawn(summary(image.answer.prediction))
        self.provenance = tuple(map(self._drawn, _provenance(image)))
        self.without_font = (
            f"The gateway has no font for some letters of the patient's or study's attributes: "
            f"{scripts(self._lacking)}. They are left out or are boxes here; the image's header has them."
            if self._lacking
            else ""
        )

    def all(self) -> str:
        """Return every letter of the page but those of its own fixed English text."""
        fields = "".join("".join(lines) for _, lines in self.patient)
        return fields + self.sentence + "".join(self.provenance)

    def _fields(self, header: Dataset) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield "Patient", self._name(str(header.get("PatientName", "")))
        for label, value in (
            ("Patient ID", header.get("PatientID", "")),
            ("Birth date", _day(header.get("PatientBirthDate", ""))),
            ("Sex", header.get("PatientSex", "")),
            ("Study date", _day(header.get("StudyDate", ""))),
            ("Accession number", header.get("AccessionNumber", "")),
            ("Study description", header.get("StudyDescription", "")),
        ):
            yield label, (plain(str(value)) or "not stated",)

    def _name(self, name: str) -> tuple[str, ...]:
        lines = readable_name(name, lambda line: not self._fonts.without_font(line))
        if left_out := [line for line in readable_name(name, lambda _: True) if line not in lines]:
            self._lacking += self._fonts.without_font("".join(left_out))
        return lines or ("not stated",)

    def _drawn(self, text: str) -> str:
        lacking = self._fonts.without_font(text)
        self._lacking += lacking
        box = "?" if self._fonts.without_font("□") else "□"
        return text.translate(dict.fromkeys(map(ord, lacking), box))


def _day(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == len("20260131") else value


def _provenance(image: AnsweredImage) -> Iterator[str]:
    header, answer, model = image.source.dataset, image.answer, image.answer.model
    when = local_time(image.source, answer).isoformat(" ", "seconds")
    numbers = [str(header[each].value) for each in ("SeriesNumber", "InstanceNumber") if each in header]
    yield f"Model: {plain(model.name)} {plain(model.version)}, {plain(site_in_words(model))}"
    yield f"Weights (SHA-256): {model.weights_sha256}"
    yield f"Answered: {when}, CXR Gateway {plain(answer.software_version)}"
    yield f"Image: {_view(answer)}, series/image {'/'.join(numbers) or 'not stated'}, {header.SOPInstanceUID}"
    yield f"Steps: {plain('; '.join(answer.steps)) or 'none'}"


def _view(answer: Answer) -> str:
    return "view unknown" if answer.view == "unknown" else answer.view


class _Sheet:
    """One A4 page, filled from the top; nothing goes beyond its edges, and there is no second page."""

    def __init__(self, words: _Words, fonts: Fonts) -> None:
        from fpdf import FPDF

        self._pdf: FPDF = FPDF(format="A4", unit="mm")
        self._pdf.set_auto_page_break(auto=False)
        self._pdf.set_margins(_MARGIN, _MARGIN)
        self._pdf.c_margin = 0
        self._pdf.set_title(TITLE)
        self._pdf.set_subject(RESEARCH_BANNER)
        self._pdf.set_creator("CXR Gateway")
        self._pdf.set_lang("en-US")
        self._pdf.add_page()
        self._open_fonts(words, fonts)

    def banner(self) -> None:
        """Draw the banner over the whole width."""
        self._pdf.set_fill_color(*_AMBER)
        self._pdf.rect(0, 0, _WIDTH, 13, style="F")
        self._pdf.set_xy(_MARGIN, 2.5)
        self._cell(RESEARCH_BANNER, _INSIDE, 16, _BLACK, height=8, align="C")
        self._pdf.set_xy(_MARGIN, 16)
        self._line(TITLE, 11, _GREY)
        self._pdf.ln(1)

    def fields(self, fields: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        """Write each field: its name in grey, then its lines; names are not cut."""
        for label, lines in fields:
            for number, line in enumerate(lines):
                height = 6 if label == "Patient" else 5
                self._cell("" if number else label, _LABEL, 9, _GREY, height)
                self._cell(line, _INSIDE - _LABEL, 2 * height, _BLACK, height)
                self._pdf.ln(height)
        self._pdf.ln(2)

    def picture(self, image: AnsweredImage, *, lung_outline: bool) -> None:
        """Paste radiograph, map, and the map's scale over the whole width."""
        drawn = self._pdf.image(
            Image.fromarray(panels(image.grey, image.answer, lung_outline=lung_outline)),
            x=_MARGIN,
            y=self._pdf.get_y() + 2,
            w=_INSIDE,
            alt_text="Radiograph; radiograph with class activation map, and its scale",
        )
        self._pdf.set_y(self._pdf.get_y() + drawn.rendered_height + 5)

    def paragraph(self, text: str, size: float, colour: _Colour = _BLACK, *, most: int) -> None:
        """Write at most `most` lines; a longer text ends in three dots."""
        self._pdf.set_font(size=size)
        split = self._pdf.multi_cell(_INSIDE, 1, text, align="L", dry_run=True, output="LINES")
        lines = cast("list[str]", split)
        shown = lines[:most] if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][:-4]} ..."]
        for line in shown:
            self._line(line, size, colour)

    def note(self, text: str) -> None:
        """Write a remark that must not be overlooked."""
        self._pdf.ln(1)
        if text:
            self.paragraph(text, 9, _RED, most=3)

    def close(self, text: str) -> None:
        """Write the last lines, at the foot of the page."""
        self._pdf.set_draw_color(*_AMBER)
        self._pdf.set_line_width(1)
        self._pdf.line(_MARGIN, 282, _WIDTH - _MARGIN, 282)
        self._pdf.set_xy(_MARGIN, 284)
        self.paragraph(text, 8, most=3)

    def content(self, when: datetime) -> bytes:
        """Return the file; its date is the answer's, and its identifier (ISO 32000-1 14.4) its own hash."""
        self._pdf.set_creation_date(when)
        return bytes(self._pdf.output())

    def _open_fonts(self, words: _Words, fonts: Fonts) -> None:
        names = []
        for number, path in enumerate(fonts.needed(words.all())):
            names.append(f"font{number}")
            self._pdf.add_font(names[-1], fname=path, collection_font_number=0)
        self._pdf.set_font(names[0] if names else "Helvetica")
        if names:
            self._pdf.set_fallback_fonts(names[1:], exact_match=False)
            self._pdf.set_text_shaping(True)  # letters join, and run from right to left where they do

    def _line(self, text: str, size: float, colour: _Colour) -> None:
        height = size * 0.45  # of a line, in mm
        self._cell(text, _INSIDE, size, colour, height)
        self._pdf.ln(height)

    def _cell(
        self, text: str, width: float, size: float, colour: _Colour, height: float, align: str = "L"
    ) -> None:
        """Write one line in smaller and smaller type until it fits; at the smallest it is cut."""
        self._pdf.set_text_color(*colour)
        self._pdf.set_font(size=size)
        while size > _SMALLEST and self._pdf.get_string_width(text) > width - 2:
            size -= 0.5
            self._pdf.set_font(size=size)
        cut = text
        while cut and self._pdf.get_string_width(text) > width - 2:
            cut = cut[:-1]
            text = f"{cut}..."
        self._pdf.cell(width, height, text, align=align)
