"""The page of the PDF names patient, answer and provenance, in any script, on one sheet."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pypdf import PdfReader

from gateway.records import Prediction
from gateway.results.answer import RESEARCH_BANNER, RESEARCH_SENTENCE, summary
from gateway.results.fonts import Fonts, scripts
from gateway.results.person_name import plain, readable_name
from tests.support.answers import MODEL, NORMAL, PNEUMONIA, UNDETERMINED, prediction
from tests.support.pdf import document_in, pdf_of, text_of
from tests.support.sources import dx

NO_FONTS = ("/nowhere",)
DEJAVU = next(iter(Path("/usr/share/fonts").rglob("DejaVuSans.ttf")), None)
needs_dejavu = pytest.mark.skipif(DEJAVU is None, reason="fonts-dejavu-core is not installed")


@pytest.mark.parametrize("fonts", [NO_FONTS, pytest.param((str(DEJAVU),), marks=needs_dejavu)])
@pytest.mark.parametrize("said", [PNEUMONIA, NORMAL, UNDETERMINED])
def test_the_page_says_whose_image_it_is_and_what_is_answered(
    said: Prediction, fonts: tuple[str, ...]
) -> None:
    source = dx(PatientName="Müller^Jörg", StudyDescription="Thorax p.a.", SOPInstanceUID="1.2.3.4")
    text = text_of(pdf_of(source, said, fonts))
    assert text.startswith(RESEARCH_BANNER)
    assert text.endswith(RESEARCH_SENTENCE)
    assert "Patient Müller, Jörg Patient ID P-0042 Birth date 1957-03-12 Sex F Study date 2025-04-01" in text
    assert "Accession number A-1001 Study description Thorax p.a." in text
    assert summary(said) in text
    assert f"{MODEL.name} {MODEL.version}, Not fitted to this site" in text
    assert MODEL.weights_sha256 in text
    assert "PA, series/image 1/1, 1.2.3.4" in text
    assert "no font" not in text


def test_a_patient_without_attributes_is_said_to_have_none() -> None:
    names = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber")
    assert text_of(pdf_of(dx(**dict.fromkeys(names, "")), fonts=NO_FONTS)).count("not stated") == 7


@needs_dejavu
@pytest.mark.parametrize("name", ["Nguyễn^Văn Đạt", "Διονύσιος^Πάπας", "Щукин^Алексей^Петрович"])
def test_names_with_letters_of_european_scripts_are_written(name: str) -> None:
    text = text_of(pdf_of(dx(PatientName=name), fonts=(str(DEJAVU),)))
    assert name.replace("^", ", ", 1).replace("^", " ") in text
    assert "no font" not in text


def test_a_group_without_font_gives_way_to_the_alphabetic_group_and_the_page_says_so() -> None:
    text = text_of(pdf_of(dx(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"), fonts=NO_FONTS))
    assert "Patient Yamada, Tarou Patient ID" in text
    assert (
        "has no font for some letters of the patient's or study's attributes: Cjk (4), Hiragana (6)." in text
    )


def test_a_name_that_has_no_other_group_shows_a_box_for_each_letter() -> None:
    text = text_of(pdf_of(dx(PatientName="山田^太郎", StudyDescription="胸 Thorax"), fonts=NO_FONTS))
    assert "Patient ??, ?? Patient ID" in text
    assert "Study description ? Thorax" in text
    assert "Cjk (5)" in text


@pytest.mark.parametrize("fonts", [NO_FONTS, pytest.param((str(DEJAVU),), marks=needs_dejavu)])
@settings(max_examples=25)
@given(name=st.text(max_size=200), description=st.text(max_size=64))
def test_any_text_stays_on_one_page(fonts: tuple[str, ...], name: str, description: str) -> None:
    source = dx(PatientName=plain(name), StudyDescription=plain(description).replace("\\", "/"))
    reader = PdfReader(BytesIO(document_in(pdf_of(source, UNDETERMINED, fonts))))
    assert len(reader.pages) == 1


def test_the_longest_texts_do_not_meet_the_foot_of_the_page() -> None:
    group = "W" * 30 + "^" + "M" * 33
    said = prediction(
        None, "A reason of many words. " * 40, replace(MODEL, name="N" * 300, version="v" * 300)
    )
    source = dx(
        PatientName="=".join([group] * 3),
        PatientID="I" * 64,
        StudyDescription="D" * 64,
        AccessionNumber="A" * 16,
    )
    (page,) = PdfReader(BytesIO(document_in(pdf_of(source, said, NO_FONTS)))).pages
    places: list[tuple[float, str]] = []
    page.extract_text(visitor_text=lambda text, _cm, tm, *_: places.append((float(tm[5]), text.strip())))
    heights = [height for height, text in places if text]
    assert all(lower - upper < 2 for upper, lower in pairwise(heights))  # points: no block begins in another
    assert min(heights) > 15  # points above the edge
    assert next(text for _, text in places if text) == RESEARCH_BANNER


def test_the_same_answer_gives_the_same_bytes_in_another_process() -> None:
    source = "dx(PatientName='Müller^Jörg=山田', SOPInstanceUID='1.2.3.4')"
    imports = (
        "import sys; from tests.support.pdf import document_in, pdf_of; from tests.support.sources import dx"
    )
    program = f"{imports}; sys.stdout.buffer.write(document_in(pdf_of({source})))"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment, timeout=300
    ).stdout
    assert other == document_in(pdf_of(dx(PatientName="Müller^Jörg=山田", SOPInstanceUID="1.2.3.4")))


def test_an_odd_document_is_padded_and_its_length_is_true() -> None:
    lengths = set()
    for number in range(20):  # the UIDs are random, and with them whether a length is odd
        file = pdf_of(dx(PatientID="P" * (number + 1)), fonts=NO_FONTS)
        document = dcmread(BytesIO(file))
        assert len(document.EncapsulatedDocument) % 2 == 0
        assert document_in(file).endswith(b"%%EOF\n")
        lengths.add(document.EncapsulatedDocumentLength % 2)
    assert lengths == {0, 1}


def test_no_identity_is_in_the_files_own_attributes() -> None:
    metadata = PdfReader(BytesIO(document_in(pdf_of(dx(PatientName="Secret^Name"), fonts=NO_FONTS)))).metadata
    assert "Secret" not in str(metadata)


# --- parts


def test_control_characters_and_marks_of_direction_are_removed() -> None:
    assert plain("A\x00B\r\nC\u202eD\u2066  E\ufeff") == "A B C D E"
    assert plain("u\u0308") == "ü"


def test_a_name_is_read_group_by_group() -> None:
    def anything(_: str) -> bool:
        return True

    assert readable_name("Adams^John Robert^Quincy^Dr^Jr", anything) == ("Adams, John Robert Quincy Dr Jr",)
    assert readable_name("Hong^Gildong=洪^吉洞=홍^길동", anything) == ("Hong, Gildong", "洪 吉洞", "홍 길동")
    assert readable_name("=山田^太郎", anything) == ("山田 太郎",)
    assert readable_name("^John", anything) == ("John",)
    assert readable_name("", anything) == ()


def test_files_that_are_no_fonts_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "NotoSans-Regular.ttf").write_bytes(b"\0\1\0\0 no font")
    assert Fonts([str(tmp_path), str(tmp_path / "absent.ttf")]).found == ()


def test_scripts_are_counted_without_telling_the_letters() -> None:
    assert scripts("山田ส\U0010fffd") == "Cjk (2), Thai (1), Unnamed (1)"
