"""Doctor and configuration check name the scripts that the PDF cannot write."""

from __future__ import annotations

from pathlib import Path

from gateway.configuration.agreement import doubts
from gateway.doctor.finding import Severity
from gateway.doctor.fonts import SCRIPTS, fonts
from gateway.settings import Settings
from tests.support.missing_peer import leave_out


def settings(tmp_path: Path, **results: object) -> Settings:
    return Settings(data_dir=tmp_path, results=results)


def test_nothing_is_told_where_no_pdf_is_written(tmp_path: Path) -> None:
    absent = settings(tmp_path, pdf_fonts=["/nowhere"])
    assert list(fonts(absent)) == []
    assert not [each for each in doubts(absent) if each.key == ("results", "pdf_fonts")]


def test_every_script_but_western_latin_is_missing_without_fonts(tmp_path: Path) -> None:
    absent = settings(tmp_path, pdf=True, pdf_fonts=["/nowhere"])
    (finding,) = fonts(absent)
    assert finding.verdict is Severity.DOUBTFUL
    assert finding.told == f"none has {', '.join(SCRIPTS)}"
    assert "apt-get install fonts-dejavu-core" in finding.advice
    (problem,) = [each for each in doubts(absent) if each.key == ("results", "pdf_fonts")]
    assert "Latin letters alone" in problem.text


def test_one_font_is_examined_letter_by_letter(tmp_path: Path) -> None:
    font = next(iter(Path("/usr/share/fonts").rglob("DejaVuSans.ttf")), None)
    if font is None:
        leave_out("DejaVuSans.ttf is missing: apt-get install fonts-dejavu-core")
    (finding,) = fonts(settings(tmp_path, pdf=True, pdf_fonts=[str(font)]))
    assert finding.told == "none has Japanese, Chinese, Korean"
