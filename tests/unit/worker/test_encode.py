"""Results on disk: the digest is that of the file that stays."""

import hashlib
from pathlib import Path

from gateway.records import DICOM, SR
from gateway.results.result import Result, ResultRules
from gateway.store.spool import Spool
from gateway.worker.encode import Encoder


def test_an_earlier_file_stays_and_gives_the_digest(tmp_path: Path) -> None:
    encoder = Encoder(ResultRules(), Spool(tmp_path), lambda *_: ("pacs",))
    contents = [b"first", b"second"]
    kept = [encoder.keep([Result(SR, DICOM, "2.25.17.dcm", each)], "AE")[0] for each in contents]
    assert [each.path.read_bytes() for each in kept] == [b"first", b"first"]
    assert {each.sha256 for each in kept} == {hashlib.sha256(b"first").hexdigest()}
    assert not list((tmp_path / "incoming").iterdir())
