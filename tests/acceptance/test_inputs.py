"""What a receiver meets in real life, sent to one real gateway.

Every row says what is sent, which status its sender gets, which state and reason code it ends with. After
each comes an image that is answered all the same; in the end the same processes serve as in the beginning.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import jpeg_ls
import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.proof.images import chest_pixels
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.queries.document import image_document
from gateway.store.queries.images import Images
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.receiving import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    RawPeer,
    associate_request,
    c_store_command,
    data_set_of,
    p_data,
    pdu,
)
from tests.support.sources import cr, dx, encoded, item

EXPLICIT, IMPLICIT = uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian
SETTLED = ("delivered", "ineligible", "failed")
PLANNED = {0x0000, 0xA700, 0xA900, 0x0117, 0x0122, 0x0124, *range(0xC000, 0xC0FF)}


@dataclass
class Sent:
    """One C-STORE request, byte for byte; the command says what the data set says unless told otherwise."""

    data: bytes | None
    syntax: str = EXPLICIT
    sop_class: str = uid.DigitalXRayImageStorageForPresentation
    sop_instance: str = "1.2.3.4"
    context: str | None = None  # another abstract syntax than the command's SOP class

    @classmethod
    def of(cls, ds: Dataset, encoded_as: str | None = None, **command: Any) -> Sent:
        """Encode `ds`, in its own transfer syntax or in the given one."""
        file = encoded(ds, encoded_as)
        own = str(ds.file_meta.TransferSyntaxUID)
        about = {"syntax": own, "sop_class": ds.SOPClassUID, "sop_instance": ds.SOPInstanceUID}
        return cls(data_set_of(file), **about | command)


Make = Callable[[], Sent]


# --- how things go wrong


def changed(change: Callable[[bytes], bytes], ds: Dataset | None = None, **command: Any) -> Sent:
    """Return a radiograph whose bytes were changed on the way."""
    sent = Sent.of(dx() if ds is None else ds, **command)
    assert sent.data is not None
    sent.data = change(sent.data)
    return sent


def before_pixels(extra: bytes) -> Callable[[bytes], bytes]:
    """Insert an element before Pixel Data."""
    return lambda data: data.replace(b"\xe0\x7f\x10\0", extra + b"\xe0\x7f\x10\0", 1)


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """Return an element in Explicit VR Little Endian, odd lengths and lies included."""
    length = len(value) if length is None else length
    if vr in (b"SQ", b"UN", b"OB", b"OW", b"UT"):
        return struct.pack("<HH2sHL", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, length) + value


def sequence_item(value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value) if length is None else length) + value


UNDEFINED = 0xFFFFFFFF
END_OF_ITEM, END_OF_SEQUENCE = struct.pack("<HHL", 0xFFFE, 0xE00D, 0), struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def nested(depth: int) -> bytes:
    """Return sequences of undefined length within each other."""
    begin = element(0x0008, 0x1032, b"SQ", b"", UNDEFINED) + sequence_item(b"", UNDEFINED)
    return begin * depth + (END_OF_ITEM + END_OF_SEQUENCE) * depth


def hidden_nested(depth: int) -> bytes:
    """Return the same within a sequence whose length is defined, which the receiver passes over."""
    return element(0x0008, 0x1032, b"SQ", sequence_item(nested(depth)))


def private_sequence() -> bytes:
    begin = element(0x0009, 0x1010, b"SQ", b"", UNDEFINED) + sequence_item(b"", UNDEFINED)
    creator = element(0x0009, 0x0010, b"LO", b"EXAMPLE ")
    return creator + begin + element(0x0009, 0x1011, b"LO", b"VALUE ") + END_OF_ITEM + END_OF_SEQUENCE


def compressed(codestream: bytes, syntax: str, ds: Dataset | None = None) -> Dataset:
    """Return a radiograph with another's codestream as its only frame."""
    return with_fragments(encapsulate([bytes(codestream)]), syntax, ds)


def with_fragments(value: bytes, syntax: str, ds: Dataset | None = None) -> Dataset:
    ds = cr() if ds is None else ds
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = value
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def fragments(*parts: bytes) -> bytes:
    return b"".join(b"\xfe\xff\0\xe0" + struct.pack("<L", len(part)) + part for part in parts)


def jpeg_2000(bits: int = 12) -> bytearray:
    return bytearray(
        imagecodecs.jpeg2k_encode(chest_pixels(), codecformat="j2k", reversible=True, bitspersample=bits)
    )


def jpeg_2000_bomb() -> Dataset:
    """Return a kilobyte that would make a decoder allocate ten gigabytes."""
    stream = jpeg_2000()
    stream[8:16] = stream[24:32] = struct.pack(">2L", 10_000, 10_000)
    style = stream.find(b"\xff\x52")
    stream[style + 10 : style + 12] = b"\0\0"
    return compressed(stream, uid.JPEG2000Lossless, cr(Rows=10_000, Columns=10_000))


def rle(*starts: int) -> Dataset:
    """Return RLE segments that begin where they do not."""
    header = struct.pack("<16L", len(starts), *starts, *[0] * (15 - len(starts)))
    return compressed(header + b"\x81\0" * 300, uid.RLELossless)


def signed_jpeg_ls() -> Dataset:
    patterns = (chest_pixels().astype(np.int32) - 2048) & 0xFFF
    return compressed(
        bytes(jpeg_ls.encode_array(patterns.astype(np.uint16))), uid.JPEGLSLossless, cr(PixelRepresentation=1)
    )


def jpeg_ls_fragments() -> Dataset:
    stream = bytes(imagecodecs.jpegls_encode(chest_pixels()))
    parts = [stream[start : start + 100] for start in range(0, len(stream), 100)]
    return with_fragments(fragments(b"", *parts, b""), uid.JPEGLSLossless)


def jpeg_lossless() -> bytes:
    return bytes(imagecodecs.jpeg_encode(chest_pixels(), lossless=True, predictor=1, bitspersample=12))


def deflate_bomb() -> Sent:
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    begun = deflater.compress(element(0x0009, 0x1001, b"OB", b"", 1 << 30))
    data = begun + b"".join(deflater.compress(bytes(1 << 24)) for _ in range(20)) + deflater.flush()
    return Sent(data, uid.DeflatedExplicitVRLittleEndian)


def table(bits: int, first: int = 0) -> Dataset:
    """Return an item of a Modality or VOI LUT Sequence."""
    entries = np.linspace(0, (1 << bits) - 1, 4096).astype("<u2")
    return item(LUTDescriptor=[4096, first, bits], LUTData=entries.tobytes(), ModalityLUTType="US")


def bordered() -> Dataset:
    pixels = chest_pixels()
    pixels[:10] = 4095
    return cr(pixels=pixels, PixelPaddingValue=4095)


def raw_text(ds: Dataset, old: str, new: bytes) -> Sent:
    """Replace a value by bytes of the same length that no library would write."""
    assert len(old) == len(new)
    return changed(lambda data: data.replace(old.encode(), new, 1), ds)


TYPE_2 = (
    *("PatientName", "PatientID", "PatientSex", "PatientBirthDate", "ReferringPhysicianName"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "SeriesNumber", "PatientOrientation"),
)


# --- rows: what is sent, what its sender hears, how it ends

REFUSED: dict[str, tuple[Make, Status]] = {
    "garbage bytes": (lambda: Sent(b"\x93garbage, no data set" * 40), Status.NOT_PARSABLE),
    "HTML saved as .dcm": (
        lambda: Sent(b"<html><body>504 Gateway Time-out</body></html>"),
        Status.NOT_PARSABLE,
    ),
    "truncated header": (lambda: changed(lambda data: data[:701]), Status.TRUNCATED),
    "truncated pixels": (lambda: changed(lambda data: data[:-1000]), Status.PIXELS_TRUNCATED),
    "pixels shorter than Rows and Columns": (lambda: Sent.of(dx(Rows=97)), Status.PIXELS_TRUNCATED),
    "fragments cut off": (
        lambda: changed(lambda data: data[:-20], compressed(jpeg_2000(), uid.JPEG2000Lossless)),
        Status.PIXELS_TRUNCATED,
    ),
    "a Part 10 file sent as data set": (lambda: Sent(encoded(dx())), Status.PART_10_FILE),
    "an empty data set": (lambda: Sent(b""), Status.EMPTY),
    "no data set": (lambda: Sent(None), Status.EMPTY),
    "another SOP class in the command": (
        lambda: Sent.of(
            dx(), sop_class=uid.ComputedRadiographyImageStorage, context=uid.ComputedRadiographyImageStorage
        ),
        Status.SOP_CLASS_MISMATCH,
    ),
    "another SOP class in the context": (
        lambda: Sent.of(dx(), context=uid.ComputedRadiographyImageStorage),
        Status.SOP_CLASS_MISMATCH,
    ),
    "another SOP instance in the command": (
        lambda: Sent.of(dx(), sop_instance="1.2.3.4"),
        Status.INVALID_SOP_INSTANCE,
    ),
    "an unknown SOP class": (
        lambda: Sent.of(dx(), sop_class="1.2.3", context=uid.ComputedRadiographyImageStorage),
        Status.SOP_CLASS_NOT_SUPPORTED,
    ),
    "path traversal in the SOP Instance UID": (
        lambda: Sent.of(dx(), sop_instance="../../../etc/passwd"),
        Status.INVALID_SOP_INSTANCE,
    ),
    "path traversal in the Study Instance UID": (
        lambda: raw_text(dx(StudyInstanceUID="1.2.3.4.5.6.7.8"), "1.2.3.4.5.6.7.8", b"../../../../tmp"),
        Status.UID_INVALID,
    ),
    "no Study Instance UID": (lambda: Sent.of(dx(StudyInstanceUID="")), Status.UID_MISSING),
    "implicit bytes in an explicit context": (
        lambda: Sent.of(dx(), IMPLICIT, syntax=EXPLICIT),
        Status.WRONG_ENCODING,
    ),
    "explicit bytes in an implicit context": (lambda: Sent.of(dx(), syntax=IMPLICIT), Status.TRUNCATED),
    "little endian in a big endian context": (
        lambda: Sent.of(dx(), syntax=uid.ExplicitVRBigEndian),
        Status.NOT_PARSABLE,
    ),
    "compression bomb: deflated": (deflate_bomb, Status.INFLATES_TOO_FAR),
    "not deflated in a deflated context": (
        lambda: Sent.of(dx(), syntax=uid.DeflatedExplicitVRLittleEndian),
        Status.NOT_PARSABLE,
    ),
    "sequences nested without end": (lambda: changed(before_pixels(nested(5000))), Status.NESTED_TOO_DEEP),
    "a sequence that is never closed": (
        lambda: changed(before_pixels(element(0x0008, 0x1032, b"SQ", b"", UNDEFINED))),
        Status.NOT_PARSABLE,
    ),
    "a length beyond the end": (
        lambda: changed(before_pixels(element(0x0009, 0x1010, b"OB", b"", 0x7FFFFFFF))),
        Status.TRUNCATED,
    ),
    "a value representation that is none": (
        lambda: changed(before_pixels(element(0x0009, 0x1010, b"??", b"ab"))),
        Status.NOT_PARSABLE,
    ),
}
ANSWERED: dict[str, Make] = {
    "an item whose content is no data set": lambda: changed(
            before_pixels(
                element(0x0008, 0x1032, b"SQ", sequence_item(b"\xff" * 20) + END_OF_SEQUENCE, UNDEFINED)
            )
        ),
    "bad characters": lambda: raw_text(cr(PatientName="Example^Edith"), "Edith", b"\xff\xfe\x80\x81\x1b"),
    "a character set that is none": lambda: raw_text(
        cr(SpecificCharacterSet="ISO 2022 IR 6"), "ISO 2022 IR 6", b"Not Supplied!"
    ),
    "absent type 2 attributes": lambda: Sent.of(cr(**dict.fromkeys(TYPE_2))),
    "bad dates and times": lambda: raw_text(
        cr(StudyDate="20250401", StudyTime="101530", PatientBirthDate="19570312"), "20250401", b"2025.4.1"
    ),
    "a time that is none": lambda: raw_text(cr(StudyTime="101530"), "101530", b"256199"),
    "path traversal in the Patient ID": lambda: Sent.of(
        cr(PatientID="../../../../tmp/x", AccessionNumber="../..")
    ),
    "a name of ten thousand letters": lambda: changed(
        lambda data: data.replace(b"PN\x0e\0Example^Edith ", b"PN\x10\x27" + b"X" * 10_000, 1)
    ),
    "JPEG Lossless SV1": lambda: Sent.of(compressed(jpeg_lossless(), uid.JPEGLosslessSV1)),
    "JPEG 2000 whose precision is not Bits Stored": lambda: Sent.of(
        compressed(jpeg_2000(16), uid.JPEG2000Lossless)
    ),
    "signed JPEG-LS": lambda: Sent.of(signed_jpeg_ls()),
    "empty offset table, many fragments, zero-byte last fragment": lambda: Sent.of(jpeg_ls_fragments()),
    "deflated": lambda: Sent.of(cr(), uid.DeflatedExplicitVRLittleEndian),
    "trailing pixel bytes": lambda: Sent.of(cr(PixelData=chest_pixels().tobytes() + bytes(1000))),
    "trailing padding": lambda: changed(lambda data: data + element(0xFFFC, 0xFFFC, b"OB", bytes(100))),
    "MONOCHROME1 without INVERSE": lambda: Sent.of(cr(PhotometricInterpretation="MONOCHROME1")),
    "MONOCHROME1 with INVERSE": lambda: Sent.of(
        dx(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    ),
    "VOI LUT beside a window": lambda: Sent.of(dx(VOILUTSequence=[table(12)])),
    "window width 0": lambda: Sent.of(dx(WindowWidth=0)),
    "windows beyond reason": lambda: raw_text(dx(WindowCenter="123456"), "123456", b"1e9999"),
    "empty slope": lambda: Sent.of(dx(RescaleSlope=None, RescaleIntercept=None, RescaleType=None)),
    "12-bit Modality LUT": lambda: Sent.of(cr(ModalityLUTSequence=[table(12)])),
    "padding borders": lambda: Sent.of(bordered()),
    "missing View Position": lambda: Sent.of(cr(ViewPosition=None)),
    "private sequences of undefined length": lambda: changed(before_pixels(private_sequence())),
    "sequences nested within a defined length": lambda: changed(before_pixels(hidden_nested(5000))),
    "odd lengths": lambda: changed(before_pixels(element(0x0018, 0x1400, b"LO", b"odd"))),
    "group lengths": lambda: changed(lambda data: element(0x0008, 0, b"UL", b"\0\1\0\0") + data),
    "UN where the standard has a value representation": lambda: changed(
        lambda data: data.replace(b"\x18\0\x01\x51CS\x02\0PA", element(0x0018, 0x5101, b"UN", b"PA"), 1)
    ),
    "High Bit that is none": lambda: Sent.of(cr(HighBit=200)),
}  # fmt: skip
NOT_ANSWERED: dict[str, tuple[Make, str, str]] = {
    "laterals labelled PA": (
        lambda: Sent.of(dx(PatientOrientation=["A", "F"], ViewPosition="PA")),
        "ineligible",
        "view_conflict",
    ),
    "DX For Processing": (
        lambda: Sent.of(
            dx(SOPClassUID=uid.DigitalXRayImageStorageForProcessing, PresentationIntentType="FOR PROCESSING")
        ),
        "ineligible",
        "for_processing",
    ),
    "two frames": (
        lambda: Sent.of(dx(NumberOfFrames=2, PixelData=chest_pixels().tobytes() * 2)),
        "ineligible",
        "multi_frame",
    ),
    "colour": (
        lambda: Sent.of(
            dx(
                SamplesPerPixel=3,
                PhotometricInterpretation="RGB",
                PlanarConfiguration=0,
                PixelData=chest_pixels().tobytes() * 3,
            )
        ),
        "ineligible",
        "colour",
    ),
    "a CT image in the same study": (
        lambda: Sent.of(cr(SOPClassUID=uid.CTImageStorage, Modality="CT")),
        "ineligible",
        "not_radiograph",
    ),
    "a presentation state": (
        lambda: Sent.of(
            item(
                SOPClassUID=uid.GrayscaleSoftcopyPresentationStateStorage,
                SOPInstanceUID=uid.generate_uid(prefix=None),
                StudyInstanceUID="1.2.3",
                Modality="PR",
                file_meta=dx().file_meta,
            )
        ),
        "ineligible",
        "not_radiograph",
    ),
    "no pixels": (lambda: Sent.of(dx(PixelData=None)), "failed", "no_pixels"),
    "no rows": (lambda: Sent.of(dx(Rows=0)), "failed", "undecodable"),
    "32 bits allocated": (
        lambda: Sent.of(dx(BitsAllocated=32, PixelData=chest_pixels().astype("<u4").tobytes())),
        "failed",
        "undecodable",
    ),
    "more bits stored than allocated": (lambda: Sent.of(dx(BitsStored=40)), "failed", "undecodable"),
    "no photometric interpretation": (
        lambda: Sent.of(dx(PhotometricInterpretation=None)),
        "failed",
        "undecodable",
    ),
    "no Series Instance UID": (lambda: Sent.of(dx(SeriesInstanceUID=None)), "failed", "undecodable"),
    "half a JPEG Lossless": (
        lambda: Sent.of(compressed(jpeg_lossless()[:2000], uid.JPEGLosslessSV1)),
        "failed",
        "undecodable",
    ),
    "half a JPEG 2000": (
        lambda: Sent.of(compressed(jpeg_2000()[:2000], uid.JPEG2000Lossless)),
        "failed",
        "undecodable",
    ),
    "a codestream of another size": (
        lambda: Sent.of(compressed(imagecodecs.jpegls_encode(chest_pixels(50, 40)), uid.JPEGLSLossless)),
        "failed",
        "undecodable",
    ),
    "HTML as codestream": (
        lambda: Sent.of(compressed(b"<html></html>", uid.JPEGLSLossless)),
        "failed",
        "undecodable",
    ),
    "compression bomb: JPEG 2000": (lambda: Sent.of(jpeg_2000_bomb()), "failed", "undecodable"),
    "RLE segments beyond the end": (lambda: Sent.of(rle(64, 4_000_000_000)), "failed", "undecodable"),
    "RLE segments in the header": (lambda: Sent.of(rle(0, 0)), "failed", "undecodable"),
}  # fmt: skip

# --- below DIMSE: what is sent once an association is open, or before


def claims(length: int, pdu_type: int = 4) -> bytes:
    return struct.pack(">BBL", pdu_type, 0, length)


def command(*elements: tuple[int, bytes]) -> bytes:
    """Return a P-DATA-TF with a command set (PS3.7 6.3.1)."""
    body = b"".join(struct.pack("<HHL", 0, number, len(value)) + value for number, value in elements)
    return p_data(1, 3, struct.pack("<HHLL", 0, 0, 4, len(body)) + body)


def number(value: int) -> bytes:
    return struct.pack("<H", value)


RELEASE, ABORT, DX = pdu(5, bytes(4)), pdu(A_ABORT, bytes(4)), uid.DigitalXRayImageStorageForPresentation
BEFORE_ASSOCIATION = {
    "a bare TCP health probe": b"",
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS ClientHello": bytes.fromhex("16030100c8010000c40303") + bytes(193),
    "a claimed PDU of 4 GiB": claims(0xFFFFFFFF, 1),
    "half an A-ASSOCIATE-RQ": claims(200, 1) + bytes(50),
    "an A-ASSOCIATE-RQ of nonsense": pdu(1, b"\xff" * 200),
    "a P-DATA-TF": p_data(1, 3, bytes(20)),
    "an A-RELEASE-RQ": RELEASE,
    "an A-ABORT": ABORT,
    "two A-ABORTs": ABORT * 2,
    "an A-ASSOCIATE-AC": pdu(2, bytes(68)),
}
WITHIN_ASSOCIATION = {
    "a sender that vanishes between PDUs": b"",
    "a sender that vanishes mid-PDU": claims(60_000) + bytes(1000),
    "a sender that vanishes mid-message": p_data(1, 3, c_store_command(DX, "1.2.3", True)),
    "a claimed PDU of 4 GiB": claims(0xFFFFFFFF) + bytes(100),
    "a PDU type that is none": pdu(99, bytes(10)),
    "an A-ABORT, and more after it": ABORT + p_data(1, 3, bytes(10)),
    "an A-ASSOCIATE-RQ again": pdu(1, bytes(68)),
    "an A-RELEASE-RQ, and more after it": RELEASE + p_data(1, 3, c_store_command(DX, "1.2.3", True)),
    "an A-RELEASE-RP that nobody asked for": pdu(6, bytes(4)),
    "a PDV of no length": pdu(4, struct.pack(">L", 0)),
    "a PDV longer than its PDU": pdu(4, struct.pack(">LBB", 5000, 1, 3) + bytes(10)),
    "a PDV of a context that was not accepted": p_data(77, 3, bytes(10)),
    "a data set without command": p_data(1, 2, bytes(100)),
    "a command that is none": p_data(1, 3, b"\xff" * 50),
    "a command without command field": command((0x0110, number(1))),
    "a request without message ID": command((0x0100, number(1)), (0x0800, number(1)), (0x0002, b"1.2\0")),
    "a C-FIND-RQ in a storage context": command(
        (0x0002, b"1.2\0"), (0x0100, number(0x20)), (0x0110, number(1)), (0x0800, number(0x0101))
    ),
    "a C-STORE-RSP that nobody asked for": command(
        (0x0002, b"1.2\0"), (0x0100, number(0x8001)), (0x0120, number(1)), (0x0800, number(0x0101)),
        (0x0900, number(0)),
    ),
    "a C-CANCEL-RQ": command((0x0100, number(0x0FFF)), (0x0120, number(1)), (0x0800, number(0x0101))),
    "an N-ACTION-RQ": command(
        (0x0003, b"1.2\0"), (0x0100, number(0x0130)), (0x0110, number(1)), (0x0800, number(0x0101)),
        (0x1001, b"1.2\0"), (0x1008, number(1)),
    ),
}  # fmt: skip
STORM = 60  # connections: more than `scp.max_associations`
LIMITS = {  # all that come are of one peer; 50 stay open however long the machine takes for 60
    "idle_timeout_seconds": 300,
    "message_timeout_seconds": 5,
    "max_associations_per_peer": 50,
}


# --- the gateway


@dataclass
class Site:
    """A gateway that runs, and its ledger."""

    gateway: GatewayProcess
    images: Images
    roles: dict[str, int]
    followers: list[str] = field(default_factory=list)  # the images sent after each row

    def store(self, sent: Sent) -> Dataset:
        """Send one request; see that its association survives it, and that the next image is answered."""
        with self.peer() as peer:
            peer.associate(sent.context or sent.sop_class, Verification, transfer_syntax_uid=sent.syntax)
            response = peer.c_store(sent.sop_class, sent.sop_instance, sent.data)
            assert response is not None
            assert peer.release() is not None
        assert response.Status in PLANNED
        return response

    def peer(self) -> RawPeer:
        return RawPeer((self.gateway.node.host, self.gateway.node.port))

    def versions(self, sop_instance_uid: str) -> list[dict[str, Any]]:
        return [image_document(version) for version in self.images.versions(sop_instance_uid)]

    def settled(self, sop_instance_uid: str) -> tuple[str, str | None]:
        """Wait for the end of an image; return its state and reason code."""
        (version,) = wait_for(
            lambda: [each for each in self.versions(sop_instance_uid) if each["state"] in SETTLED]
        )
        return version["state"], version["reason"]

    def next_image_is_stored(self) -> None:
        """Send an image after what was sent; the last test sees that all of these were answered."""
        sent = Sent.of(cr())
        assert self.store(sent).Status == Status.SUCCESS
        self.followers.append(sent.sop_instance)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site"), scp=LIMITS) as gateway:
        settings = Settings(data_dir=gateway.data_dir)
        ledger = Ledger(open_engine(settings.database_url), settings.data_dir)
        roles = {name: gateway.role(name) for name in ("receive", "work")}
        yield Site(gateway, Images(ledger), roles)


@pytest.fixture(scope="module")
def images(site: Site) -> dict[str, str]:
    """Send what is taken, an image after each; return the UIDs by row."""
    made = {name: make() for name, make in ANSWERED.items()}
    made |= {name: make() for name, (make, *_) in NOT_ANSWERED.items()}
    for sent in made.values():
        assert site.store(sent).Status == Status.SUCCESS
        site.next_image_is_stored()
    return {name: sent.sop_instance for name, sent in made.items()}


@pytest.mark.parametrize(("make", "status"), REFUSED.values(), ids=REFUSED)
def test_refused(site: Site, make: Make, status: Status) -> None:
    refused_before = len(site.gateway.events("refused"))
    response = site.store(make())
    assert response.Status == status
    assert 0 < len(response.ErrorComment) <= 64
    (event,) = site.gateway.events("refused")[refused_before:]
    assert (event["status"], bool(event["reason"])) == (str(status), True)
    site.next_image_is_stored()


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(site: Site, images: dict[str, str], name: str) -> None:
    assert site.settled(images[name]) == ("delivered", None)


@pytest.mark.parametrize("name", NOT_ANSWERED)
def test_not_answered(site: Site, images: dict[str, str], name: str) -> None:
    _, *end = NOT_ANSWERED[name]
    assert site.settled(images[name]) == tuple(end)
    assert site.versions(images[name])[0]["detail"]


@pytest.mark.parametrize("stream", BEFORE_ASSOCIATION.values(), ids=BEFORE_ASSOCIATION)
def test_before_an_association(site: Site, stream: bytes) -> None:
    with site.peer() as peer:
        peer.send(stream)
        site.next_image_is_stored()


@pytest.mark.parametrize("stream", WITHIN_ASSOCIATION.values(), ids=WITHIN_ASSOCIATION)
def test_within_an_association(site: Site, stream: bytes) -> None:
    with site.peer() as peer:
        assert peer.associate(DX) is not None
        peer.send(stream)
    site.next_image_is_stored()


@pytest.mark.parametrize("maximum_length", [0, 1, 6, 7, 8, 64, 0xFFFFFFFF])
def test_a_sender_that_takes_pdus_of_any_length(site: Site, maximum_length: int) -> None:
    ours = b"\x51\0\0\x04" + struct.pack(">L", 16384)
    theirs = b"\x51\0\0\x04" + struct.pack(">L", maximum_length)
    with site.peer() as peer:
        peer.send(associate_request((DX,), EXPLICIT, "CXR_GATEWAY", "RAW").replace(ours, theirs))
        assert peer.read_pdu() is not None
        peer.send(p_data(1, 3, c_store_command(DX, "1.2.3", has_data_set=False)))
        peer.read_pdu()
    site.next_image_is_stored()


@pytest.mark.parametrize("stream", [b"", ABORT, pdu(1, b"\xff" * 200)], ids=["probes", "aborts", "nonsense"])
def test_a_storm(site: Site, stream: bytes) -> None:
    peers = [site.peer() for _ in range(STORM)]
    for peer in peers:
        peer.send(stream)
        peer.__exit__()
    site.next_image_is_stored()


def test_an_abort_storm_of_associations(site: Site) -> None:
    for _ in range(STORM):
        with site.peer() as peer:
            assert peer.associate(DX) is not None
            peer.send(ABORT)
    site.next_image_is_stored()


def test_a_flood_of_associations_is_rejected_and_passes(site: Site) -> None:
    peers = [site.peer() for _ in range(STORM)]
    answers = [peer.associate(DX) for peer in peers]
    rejected = [body[1:4] for kind, body in filter(None, answers) if kind == A_ASSOCIATE_RJ]
    assert rejected == [b"\x02\x03\x02"] * (STORM - 50)
    for peer in peers:
        peer.__exit__()
    wait_for(lambda: accepted(site))
    site.next_image_is_stored()


def accepted(site: Site) -> bool:
    with site.peer() as peer:
        answer = peer.associate(Verification)
        return answer is not None and answer[0] == A_ASSOCIATE_AC


# --- the same again


def test_the_same_instance_resent_is_answered_once(site: Site) -> None:
    sent = Sent.of(cr())
    assert [site.store(sent).Status for _ in range(3)] == [Status.SUCCESS] * 3
    assert site.settled(sent.sop_instance) == ("delivered", None)
    (version,) = site.versions(sent.sop_instance)
    assert len(version["results"]) == 2


def test_the_same_instance_changed_is_kept_beside_the_first(site: Site) -> None:
    image = cr(PatientSex="F")
    first = Sent.of(image)
    site.store(first)
    assert site.settled(first.sop_instance) == ("delivered", None)
    image.PatientSex = "O"
    site.store(Sent.of(image))
    image.PixelData = (chest_pixels() // 2).tobytes()
    site.store(Sent.of(image))
    versions = wait_for(lambda: [v for v in [site.versions(first.sop_instance)] if all_settled(v)])[0]
    ends = [(version["state"], version["reason"]) for version in versions]
    assert ends == [("delivered", None), ("ineligible", "pixels_unchanged"), ("delivered", None)]


def all_settled(versions: list[dict[str, Any]]) -> bool:
    return len(versions) == 3 and all(version["state"] in SETTLED for version in versions)


@pytest.mark.parametrize("kind", ["sr", "sc"])
def test_our_own_results_sent_back_end_the_loop(site: Site, kind: str) -> None:
    sent = Sent.of(cr())
    site.store(sent)
    assert site.settled(sent.sop_instance) == ("delivered", None)
    results = {
        result["kind"]: Path(result["path"]) for result in site.versions(sent.sop_instance)[0]["results"]
    }
    back = Sent.of(dcmread(results[kind]))
    assert site.store(back).Status == Status.SUCCESS
    assert site.settled(back.sop_instance) == ("ineligible", "own_result")


# --- after all of it


def test_the_same_processes_serve_and_nothing_of_a_patient_was_told(site: Site) -> None:
    """Comes last: nothing above has ended a role, left a file elsewhere, or put identity into a log."""
    site.next_image_is_stored()
    assert {site.settled(each) for each in site.followers} == {("delivered", None)}
    assert site.roles == {name: site.gateway.role(name) for name in site.roles}
    assert not site.gateway.events("role_died")
    assert not [
        event for name in ("bug", "refused") for event in site.gateway.events(name) if "exception" in event
    ]
    told = site.gateway.stderr() + (site.gateway.data_dir / "log" / "gateway.jsonl").read_text()
    assert not [word for word in ("Edith", "P-0042", "A-1001", "Traceback", "Warning") if word in told]
    studies = {path.parent for path in (site.gateway.data_dir / "outbox").rglob("*.dcm")}
    assert {path.parent for path in studies} == {site.gateway.data_dir / "outbox"}
