"""`gateway send`: which files go, as what, and to which node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from gateway.errors import ConfigurationError
from gateway.records import GreyImage
from gateway.requestor.node_argument import Options, node_from
from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode
from gateway.results.kinds import build_results
from gateway.results.result import AnsweredImage, ResultRules
from gateway.results.source_header import source_header
from gateway.settings import Settings
from tests.support.answers import answer
from tests.support.sources import cr, dx, encoded
from tests.support.storage_peer import storage_peer
from tests.wire.acceptor import accepting
from tests.wire.pacs_scripts import close, stored_with


def node(port: int) -> DicomNode:
    return DicomNode("PACS", "127.0.0.1", port, "TESTS", 30)


def test_class_and_instance_are_those_of_the_data_set(tmp_path: Path) -> None:
    """Not those of meta information that a tool forgot to change."""
    image, path = dx(), tmp_path / "1.dcm"
    path.write_bytes(encoded(image))
    changed = dcmread(path)
    changed.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    changed.file_meta.MediaStorageSOPClassUID = cr().SOPClassUID
    changed.save_as(path, enforce_file_format=False)
    with accepting([]) as acceptor:
        (sent,) = send_files([path], node(acceptor.port))
        assert sent.stored
        assert [uid for uid, _ in acceptor.stored] == [image.SOPInstanceUID]


def test_a_file_that_is_not_dicom_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(encoded(dx()))
    (tmp_path / "notes.txt").write_text("nothing of a radiograph")
    with accepting([]) as acceptor:
        sent = list(send_files(sorted(tmp_path.iterdir()), node(acceptor.port)))
    assert {each.file.name: (each.stored, each.is_dicom) for each in sent} == {
        "1.dcm": (True, True),
        "notes.txt": (False, False),
    }


def test_what_an_early_end_leaves_is_told(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.dcm" for number in range(3)]
    for file in files:
        file.write_bytes(encoded(dx()))
    with accepting([stored_with(0xB000, then=close)]) as acceptor:
        sent = list(send_files(files, node(acceptor.port)))
    assert [each.stored for each in sent] == [True, False, False]
    assert all("the association ended early" in each.problem for each in sent[1:])


@pytest.mark.parametrize("taken", [JPEGLSLossless, ExplicitVRLittleEndian])
def test_a_compressed_capture_goes_in_its_transfer_syntax_or_is_told(taken: str, tmp_path: Path) -> None:
    image = AnsweredImage(source_header(dx()), GreyImage(np.full((60, 50), 30000, np.uint16), ()), answer())
    results = list(build_results(image, ResultRules(compression="jpeg-ls")))
    for result in results:
        (tmp_path / result.name).write_bytes(result.content)
    files = [tmp_path / result.name for result in results]
    with storage_peer(transfer_syntax=taken) as peer:
        sent = {each.file: each for each in send_files(files, node(peer.port))}
    report, capture = (sent[file] for file in files)
    assert capture.stored is (taken == JPEGLSLossless)
    assert report.stored is (taken == ExplicitVRLittleEndian)
    assert peer.received == [file.stem for file in files if sent[file].stored]
    refused = report if capture.stored else capture
    assert "transfer syntaxes not supported" in refused.problem


def destination(tmp_path: Path) -> Settings:
    pacs = {
        "name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "h", "port": 104, "timeout_seconds": 7,
        "tls": {"ca": "ca.pem"},
    }  # fmt: skip
    return Settings.model_validate({"data_dir": tmp_path, "destinations": [pacs], "routes": []})


def test_a_node_is_an_address_or_a_destination(tmp_path: Path) -> None:
    settings = destination(tmp_path)
    addressed = node_from("A B@[::1]:11112", settings, Options())
    assert addressed == DicomNode("A B", "::1", 11112, "CXR_GATEWAY")
    named = node_from("pacs", settings, Options(calling_ae_title="WS1"))
    assert (named.host, named.timeout_seconds, named.calling_ae_title) == ("h", 7, "WS1")
    assert named.tls
    assert named.tls.ca


@pytest.mark.parametrize("options", [Options(tls=True), Options(ca=Path("ca.pem"))])
def test_tls_is_asked_for(tmp_path: Path, options: Options) -> None:
    tls = node_from("A@h:1", destination(tmp_path), options).tls
    assert tls
    assert tls.ca == options.ca


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("A@h", Options(), "AE@HOST:PORT"),
        ("A@h:99999", Options(), "a port is between"),
        ("SEVENTEEN-LETTERS@h:1", Options(), "up to 16"),
        ("RÖNTGEN@h:1", Options(), "ASCII"),
        ("A@h:1", Options(calling_ae_title="A\\B"), "backslash"),
        ("A@h:1", Options(certificate=Path("c.pem")), "both --certificate and --key"),
    ],
)
def test_what_is_no_node_is_told(tmp_path: Path, text: str, options: Options, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        node_from(text, destination(tmp_path), options)
