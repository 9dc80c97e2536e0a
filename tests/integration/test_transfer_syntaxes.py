"""Every transfer syntax over a real association: what is decoded equals the original, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from gateway.dicom.statuses import Status
from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.imaging.decode import decode
from gateway.worker.source_file import read_source
from tests.support.codings import LOSSLESS, LOSSY, Pixels
from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sources import cr, encoded
from tests.wire.requestor import Requestor

ROWS, COLUMNS = 47, 33  # both odd: so is the number of pixels
BITS = [8, 10, 12, 14, 15, 16]
NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
)


LARGEST_ERRORS = {  # of a stored value
    "JPEG Baseline": 4,
    "JPEG Extended, 8 bits": 4,
    "JPEG Extended, 12 bits": 24,
    "JPEG-LS near-lossless": 2,
    "JPEG 2000 irreversible": 6,
}


def image(bits: int, *, signed: bool = False) -> tuple[Dataset, Pixels]:
    """Return a radiograph with every value from black to white in its window, and its cells for codecs."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    values = np.rint((y * COLUMNS + x) / (ROWS * COLUMNS - 1) * ((1 << bits) - 1)).astype(np.int64)
    values -= (1 << (bits - 1)) if signed else 0
    cells = (values & ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    written = values.astype(f"<i{cells.itemsize}") if signed else cells
    ds = cr(
        Rows=ROWS,
        Columns=COLUMNS,
        BitsAllocated=8 * cells.itemsize,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(signed),
        WindowCenter=((1 << bits) - 1) / 2 - ((1 << (bits - 1)) if signed else 0),
        WindowWidth=(1 << bits) - 1,
        VOILUTFunction="LINEAR_EXACT",
        PixelData=written.tobytes() + b"\0" * (written.nbytes % 2),
    )
    ds["PixelData"].VR = "OW"
    return ds, cells


def compressed(ds: Dataset, syntax: str, value: bytes) -> Dataset:
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = value
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield running


def received(receiver: Receiver, ds: Dataset, encoded_as: str | None = None) -> Pixels:
    """Send `ds`; return what is decoded from the file in the spool."""
    data = data_set_of(encoded(ds, encoded_as))
    with Requestor(receiver.address) as peer:
        peer.associate(ds.SOPClassUID, transfer_syntax_uid=ds.file_meta.TransferSyntaxUID)
        assert peer.store(ds.SOPClassUID, ds.SOPInstanceUID, data).status == Status.SUCCESS
        peer.release()
    (row,) = [row for row in receiver.rows() if row.sop_instance_uid == ds.SOPInstanceUID]
    return decode(read_source(receiver.spool.path_for(f"{row.sha256}.dcm"))).pixels


def original(bits: int, *, signed: bool = False) -> Pixels:
    return decode(image(bits, signed=signed)[0]).pixels


def test_every_accepted_transfer_syntax_is_here() -> None:
    assert {*NATIVE, *LOSSLESS, *(each.syntax for each in LOSSY.values())} == {*TRANSFER_SYNTAXES}


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.name)
def test_native_is_bit_exact(receiver: Receiver, syntax: str, bits: int, signed: bool) -> None:
    ds, cells = image(bits, signed=signed)
    if syntax == uid.ExplicitVRBigEndian:
        words = cells.tobytes() + b"\0" * (cells.nbytes % 2)
        ds.PixelData = np.frombuffer(words, "<u2").astype(">u2").tobytes()
    assert np.array_equal(received(receiver, ds, syntax), original(bits, signed=signed))


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: uid.UID(syntax).name)
def test_lossless_is_bit_exact(receiver: Receiver, syntax: str, bits: int, signed: bool) -> None:
    ds, cells = image(bits, signed=signed)
    ds = compressed(ds, syntax, encapsulate([LOSSLESS[syntax](cells, bits)]))
    assert np.array_equal(received(receiver, ds), original(bits, signed=signed))


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_is_close(receiver: Receiver, name: str) -> None:
    (syntax, bits, encode), error = LOSSY[name], LARGEST_ERRORS[name]
    ds, cells = image(bits)
    difference = received(receiver, compressed(ds, syntax, encapsulate([bytes(encode(cells))]))).astype(int)
    difference -= original(bits)
    assert np.abs(difference).max() <= error * 65535 / ((1 << bits) - 1) + 1


FRAGMENTS: dict[str, Callable[[bytes], bytes]] = {
    "an offset table": lambda stream: encapsulate([stream], has_bot=True),
    "an empty offset table": lambda stream: encapsulate([stream], has_bot=False),
    "nine fragments": lambda stream: encapsulate([stream], fragments_per_frame=9),
    "nine fragments and an empty offset table": lambda stream: encapsulate(
        [stream], fragments_per_frame=9, has_bot=False
    ),
    "a last fragment of no bytes": lambda stream: encapsulate([stream]) + b"\xfe\xff\0\xe0" + bytes(4),
    "an offset table that is wrong": lambda stream: (
        b"\xfe\xff\0\xe0\4\0\0\0\xff\xff\0\0"
        + encapsulate([stream], fragments_per_frame=3, has_bot=False)[8:]
    ),
}


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: uid.UID(syntax).name)
@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments(receiver: Receiver, name: str, syntax: str) -> None:
    ds, cells = image(12)
    ds = compressed(ds, syntax, FRAGMENTS[name](LOSSLESS[syntax](cells, 12)))
    assert np.array_equal(received(receiver, ds), original(12))
