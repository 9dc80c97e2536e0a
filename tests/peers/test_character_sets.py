"""Names in every character set go through results into a PACS, and come out of it as the same names."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode
from tests.peers.orthanc import AE_TITLE, Orthanc
from tests.support.receiving import data_set_of
from tests.support.results import results_of
from tests.support.sources import dx, encoded

UMLAUTS, KANJI = "Müller^Jörg", "Yamada^Tarou=山田^太郎=やまだ^たろう"
NAMES: dict[str, tuple[str, bytes, str]] = {
    # what: Specific Character Set, Patient's Name as sent, as meant
    "none, ASCII": ("", b"Doe^Jane", "Doe^Jane"),
    "Latin 1": ("ISO_IR 100", UMLAUTS.encode("iso8859_1"), UMLAUTS),
    "Latin 2": ("ISO_IR 101", "Wałęsa^Łukasz".encode("iso8859_2"), "Wałęsa^Łukasz"),
    "Latin 3": ("ISO_IR 109", "Ċensu^Ġorġ".encode("iso8859_3"), "Ċensu^Ġorġ"),
    "Latin 4": ("ISO_IR 110", "Bērziņš^Jānis".encode("iso8859_4"), "Bērziņš^Jānis"),
    "Greek": ("ISO_IR 126", "Διονυσίου^Ελένη".encode("iso8859_7"), "Διονυσίου^Ελένη"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
    "Hebrew": ("ISO_IR 138", "שרון^דבורה".encode("iso8859_8"), "שרון^דבורה"),
    "Cyrillic": ("ISO_IR 144", "Люксембург^Роза".encode("iso8859_5"), "Люксембург^Роза"),
    "Turkish": ("ISO_IR 148", "Çavuşoğlu^Şükrü".encode("iso8859_9"), "Çavuşoğlu^Şükrü"),
    "Thai": ("ISO_IR 166", "นามสกุล^ชื่อ".encode("tis_620"), "นามสกุล^ชื่อ"),
    "Latin 9": ("ISO_IR 203", "Œuvrard^Žofie".encode("iso8859_15"), "Œuvrard^Žofie"),
    "Japanese, half width": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"), "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    "Unicode": ("ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    "GB18030, backslash as second byte": ("GB18030", "Wang^X=乗^㐂".encode("gb18030"), "Wang^X=乗^㐂"),
    "GBK": ("GBK", "Wang^XiaoDong=王^小东".encode("gbk"), "Wang^XiaoDong=王^小东"),
    "Japanese (PS3.5 H.3.1)": (
        r"\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        KANJI,
    ),
    "Japanese (PS3.5 H.3.2)": (
        r"ISO 2022 IR 13\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    "Japanese, supplementary": (
        r"\ISO 2022 IR 87\ISO 2022 IR 159",
        b"X^Y=" + "丂^山".encode("iso2022_jp_2"),
        "X^Y=丂^山",
    ),
    "Korean (PS3.5 I.2)": (
        r"\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    "Chinese (PS3.5 K.2)": (
        r"\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东",
    ),
    "Latin and Greek": (
        r"ISO 2022 IR 100\ISO 2022 IR 126",
        b"M\xfcller^J\xf6rg=\x1b-F" + "Ελένη".encode("iso8859_7"),
        "Müller^Jörg=Ελένη",
    ),
    "Latin and Cyrillic": (
        r"\ISO 2022 IR 144",
        b"Luxemburg^Rosa=\x1b-L" + "Роза".encode("iso8859_5"),
        "Luxemburg^Rosa=Роза",
    ),
    # broken ones
    "a blank for an underscore": ("ISO IR 192", UMLAUTS.encode(), UMLAUTS),
    "by its name in the Internet": ("UTF-8", UMLAUTS.encode(), UMLAUTS),
    "Korean without escapes": (
        r"\ISO 2022 IR 149",
        b"Hong^Gildong=\xfb\xf3^\xd1\xce\xd4\xd7",
        "Hong^Gildong=洪^吉洞",
    ),
    "words instead": ("Not Supplied", UMLAUTS.encode("iso8859_1"), UMLAUTS),
    "not declared": ("", UMLAUTS.encode("iso8859_1"), UMLAUTS),
    "not declared, Unicode": ("", UMLAUTS.encode(), UMLAUTS),
    "Unicode declared, Latin 1 sent": ("ISO_IR 192", UMLAUTS.encode("iso8859_1"), UMLAUTS),
    "Unicode beside others": (r"ISO 2022 IR 6\ISO_IR 192", UMLAUTS.encode(), UMLAUTS),
    "one that does not exist": ("ISO_IR 999", UMLAUTS.encode(), UMLAUTS),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc) -> dict[str, list[Dataset]]:
    """Send the results of an image for each row; return what the PACS then has in its study, by row."""
    folder = tmp_path_factory.mktemp("images")
    studies, files = {}, []
    for number, (name, (character_set, value, _)) in enumerate(NAMES.items()):
        studies[name], content = named(character_set, value)
        image = folder / f"{number}.dcm"
        image.write_bytes(content)
        for result in results_of(image):
            files.append(folder / f"{number}-{result.kind}.dcm")
            files[-1].write_bytes(result.content)
    node = DicomNode(AE_TITLE, "127.0.0.1", orthanc.dicom_port, "CXR_GATEWAY")
    assert all(sent.stored for sent in send_files(files, node))
    return {name: [orthanc.download(uid) for uid in orthanc.find(study)] for name, study in studies.items()}


def named(character_set: str, name: bytes) -> tuple[str, bytes]:
    """Return a study and an image of it that names patient and physician by these bytes."""
    even = name + b" " * (len(name) % 2)
    placeholder = "N" * len(even)
    ds = dx(SpecificCharacterSet=None, PatientName=placeholder, ReferringPhysicianName=placeholder)
    file = encoded(ds)
    data = data_set_of(file)
    declared = character_set.encode() + b" " * (len(character_set) % 2)
    element = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", len(declared)) + declared
    return str(ds.StudyInstanceUID), file.removesuffix(data) + element + data.replace(
        placeholder.encode(), even
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_names_are_the_same_after_a_pacs(results: dict[str, list[Dataset]], name: str) -> None:
    _, _, meant = NAMES[name]
    assert {result.Modality for result in results[name]} == {"SR", "OT"}
    for result in results[name]:
        assert result.SpecificCharacterSet == "ISO_IR 192"
        assert meaning(result.PatientName) == meaning(result.ReferringPhysicianName) == meant


def meaning(name: Any) -> str:
    """Return a name without the delimiters that say nothing (PS3.5 6.2)."""
    return str(name).rstrip("=^")
