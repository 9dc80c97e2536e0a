"""Encapsulated PDFs of made answers, and the text of their page as an independent reader gives it."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pypdf import PdfReader

from gateway.records import ENCAPSULATED_PDF, FONTS, GreyImage, Prediction
from gateway.results.kinds import build_results
from gateway.results.result import AnsweredImage, ResultRules
from gateway.results.source_header import source_header
from tests.support.answers import PNEUMONIA, answer

GREY = GreyImage(np.linspace(0, 65535, 60 * 50).astype(np.uint16).reshape(60, 50), ())


def pdf_of(source: Dataset, given: Prediction = PNEUMONIA, fonts: Iterable[str] = FONTS) -> bytes:
    """Return the Encapsulated PDF of a source, as a Part 10 file."""
    image = AnsweredImage(source_header(source), GREY, answer(given))
    rules = ResultRules(secondary_capture=False, pdf=True, pdf_fonts=tuple(fonts))
    results = {each.kind: each for each in build_results(image, rules)}
    return results[ENCAPSULATED_PDF].content


def document_in(file: bytes) -> bytes:
    """Return the PDF without its padding."""
    document = dcmread(BytesIO(file))
    return bytes(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])


def text_of(file: bytes) -> str:
    """Return the words of the only page, with single blanks."""
    (page,) = PdfReader(BytesIO(document_in(file))).pages
    return " ".join(page.extract_text().split())
