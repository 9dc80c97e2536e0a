"""Inputs of a megabyte that want gigabytes or minutes: what each costs of memory and of processor time.

Every bomb goes through the receiver's reading and, where that takes it, through a worker's, up to the tensor,
the description and the header of its results, in a process of its own.
"""

from __future__ import annotations

import ctypes
import gc
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import NamedTuple

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.datadict import tag_for_keyword
from pydicom.encaps import encapsulate

from gateway.dicom.part_10 import read_file
from gateway.dicom.statuses import Refuse
from gateway.errors import Reject
from gateway.imaging.eligibility import EligibilityRules
from gateway.imaging.png_jpeg import read_png_or_jpeg
from gateway.receive.data_set import read_header
from gateway.results.source_header import source_header
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Sandbox
from gateway.worker.describe import describe
from gateway.worker.ends import End
from gateway.worker.image import prepare
from tests.support.receiving import data_set_of
from tests.support.sources import dx, encoded

LARGEST_INPUT = 1 << 20
MOST_MEMORY_MB = 64
MOST_SECONDS = 5.0
HANGS = 300.0  # a bound for hangs alone

UNDEFINED = b"\xff\xff\xff\xff"
ITEM, END_OF_SEQUENCE = b"\xfe\xff\0\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
PROCEDURE_CODES, PRIVATE, ICON = b"\x08\0\x32\x10", b"\x09\0\x01\x10", b"\x88\0\0\2"


class Bomb(NamedTuple):
    data: bytes
    transfer_syntax_uid: str = uid.ExplicitVRLittleEndian


class Cost(NamedTuple):
    outcome: str
    megabytes: float
    seconds: float


# --- what is measured, in a process of its own


def receive(data: bytes, transfer_syntax_uid: str) -> str:
    try:
        return f"taken: {read_header(memoryview(data), transfer_syntax_uid).sop_instance_uid}"
    except Refuse as refusal:
        return f"{refusal.status}: {refusal.reason}"


def answer(path: Path) -> str:
    source = read_file(path)
    describe(source)
    try:
        source_header(source)
    except Reject as rejection:
        return rejection.detail
    outcome = prepare(source, EligibilityRules())
    return f"{outcome.reason}: {outcome.detail}" if isinstance(outcome, End) else "decoded"


def draw(content: bytes) -> str:
    try:
        return f"decoded {read_png_or_jpeg(content).pixels.shape}"
    except Reject as rejection:
        return rejection.detail


def cost_of(work: Callable[..., str], *arguments: object) -> Cost:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before, begun = _memory_mb("VmRSS"), process_time()
    outcome = work(*arguments)
    return Cost(outcome, _memory_mb("VmHWM") - before, process_time() - begun)


def _memory_mb(which: str) -> float:
    found = re.search(rf"^{which}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def begin(image: bytes, path: Path) -> None:
    """Import and allocate what every image needs, before anything is measured."""
    receive(data_set_of(image), uid.ExplicitVRLittleEndian)
    path.write_bytes(image)
    answer(path)
    limit_memory(100)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    path = tmp_path_factory.mktemp("warm") / "1.dcm"
    spare = Sandbox("bombs", begin, encoded(dx()), path)
    yield spare
    spare.close()


# --- the bombs


def sequence(content: bytes, tag: bytes = PROCEDURE_CODES, vr: bytes = b"SQ") -> bytes:
    return tag + vr + b"\0\0" + UNDEFINED + content + END_OF_SEQUENCE


def of_length(content: bytes, tag: bytes = PROCEDURE_CODES) -> bytes:
    return tag + b"SQ\0\0" + len(content).to_bytes(4, "little") + content


def item(content: bytes = b"") -> bytes:
    return ITEM + len(content).to_bytes(4, "little") + content


def before(elements: bytes, **attributes: object) -> Bomb:
    return Bomb(elements + data_set_of(encoded(dx(**attributes))))


def deflated(data: bytes) -> Bomb:
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return Bomb(deflater.compress(data) + deflater.flush(), uid.DeflatedExplicitVRLittleEndian)


def implicit(keyword: str, value: bytes, **attributes: object) -> Bomb:
    """Return a radiograph with one element that explicit VR could not hold."""
    ds = dx(**attributes)
    ds.pop(keyword, None)
    head, _, rest = data_set_of(encoded(ds, uid.ImplicitVRLittleEndian)).partition(b"\x20\0\x0d\0")
    tag = tag_for_keyword(keyword)
    assert tag is not None
    element = struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
    return Bomb(element + head + b"\x20\0\x0d\0" + rest, uid.ImplicitVRLittleEndian)


def coded(syntax: str, codestream: bytes, side: int, *, bits: int = 12, fragments: bytes = b"") -> Bomb:
    ds = dx(Rows=side, Columns=side, BitsStored=bits, HighBit=bits - 1, BitsAllocated=8 * -(-bits // 8))
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = fragments or encapsulate([codestream])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return Bomb(data_set_of(encoded(ds)), syntax)


SMALL = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 4096


def claiming(codestream: bytes, marker: bytes, layout: str, offset: int, side: int = 65_535) -> bytes:
    """Change the size in the first segment with this marker."""
    start = codestream.find(marker) + offset
    size = struct.pack(layout, side, side)
    return codestream[:start] + size + codestream[start + len(size) :]


def jpeg(side: int = 65_535) -> bytes:
    return claiming(imagecodecs.jpeg_encode((SMALL >> 4).astype(np.uint8), 90), b"\xff\xc0", ">2H", 5, side)


def jpeg_2000(side: int, tile: int) -> bytes:
    whole = imagecodecs.jpeg2k_encode(SMALL, reversible=True, codecformat="j2k", bitspersample=12)
    return claiming(claiming(whole, b"\xff\x51", ">2L", 6, side), b"\xff\x51", ">2L", 22, tile)


def scans(count: int) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(np.zeros((9_000, 9_000), np.uint8)).save(file, "JPEG", progressive=True)
        whole = file.getvalue()
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + last[:16] * count + whole[-2:]


OVERLAYS = b"".join(
    struct.pack("<HHHHHH", 0x6000 + 2 * number, 0x0010, 0x5355, 2, 0xFFFF, 0)[:10]
    + struct.pack("<HH2sHL", 0x6000 + 2 * number, 0x3000, b"OW", 0, 2000)
    + bytes(2000)
    for number in range(200)
)
VOI_LUT = of_length(
    item(b"\x28\0\x02\x30US\6\0" + b"\0\0\0\0\x10\0" + b"\x28\0\x06\x30OW\0\0\4\0\0\0\1\0\2\0"),
    b"\x28\0\x10\x30",
)
MANY = 120_000
CODE = b"\x08\0\0\x01SH\4\0R-10" + b"\x08\0\2\x01SH\4\0SRT " + b"\x08\0\4\x01LO\2\0x "

BOMBS: dict[str, Callable[[], Bomb]] = {
    "empty items, deflated": lambda: deflated(sequence(item() * 4_000_000)),
    "empty items, deflated, before an image": lambda: deflated(
        sequence(item() * 450_000, PRIVATE) + data_set_of(encoded(dx()))
    ),
    "empty items": lambda: before(sequence(item() * MANY)),
    "empty items of a sequence with a length": lambda: before(of_length(item() * MANY)),
    "a hundred thousand procedure codes, deflated": lambda: deflated(
        of_length(item(CODE) * 100_000) + data_set_of(encoded(dx()))
    ),
    "sequences of two thousand elements each": lambda: before(
        b"".join(
            of_length(item() * 2_000, tag)
            for tag in (b"\x08\0\x10\x22", PROCEDURE_CODES, b"\x40\0\x75\2", b"\x54\0\x20\2", b"\x18\0\1\xa0")
        )
    ),
    "nested a hundred thousand deep": lambda: before(
        sequence(ITEM + UNDEFINED + (PRIVATE + b"SQ\0\0" + UNDEFINED + ITEM + UNDEFINED) * 40_000)
    ),
    "nested UN of undefined length": lambda: before(
        (PRIVATE + b"UN\0\0" + UNDEFINED) + (ITEM + UNDEFINED + PRIVATE + UNDEFINED) * 60_000
    ),
    "small private elements": lambda: before(
        b"".join(struct.pack("<HH2sH", 9, number & 0xFFFF, b"SH", 0) for number in range(MANY))
    ),
    "private sequences": lambda: before(of_length(item(), PRIVATE) * 19_000),
    "window centers by the million": lambda: implicit("WindowCenter", b"1\\" * 500_000),
    "integers by the million": lambda: implicit("NumberOfFrames", b"1\\" * 500_000),
    "UIDs by the million": lambda: implicit("SOPInstanceUID", b"1\\" * 500_000),
    "names by the million": lambda: implicit("PatientName", b"A\\" * 500_000),
    "words by the million": lambda: implicit("StudyDescription", b"a " * 500_000),
    "character sets by the thousand": lambda: implicit("SpecificCharacterSet", b"ISO 2022 IR 87\\" * 60_000),
    "escape sequences": lambda: implicit(
        "PatientName", b"\x1b$B0!\x1b(B" * 8_000, SpecificCharacterSet="\\ISO 2022 IR 87"
    ),
    "deflated zeros for a private value": lambda: deflated(
        PRIVATE
        + b"OB\0\0"
        + (255 << 20).to_bytes(4, "little")
        + bytes(255 << 20)
        + data_set_of(encoded(dx()))
    ),
    "deflated zeros for pixels of a small image": lambda: deflated(
        data_set_of(encoded(dx(PixelData=bytes(255 << 20))))
    ),
    "frames by the billion": lambda: before(b"", NumberOfFrames=2**31 - 1),
    "65535 x 65535 of nothing": lambda: before(b"", Rows=65_535, Columns=65_535, PixelData=b"\0\0"),
    "JPEG of 65535 x 65535": lambda: coded(uid.JPEGBaseline8Bit, jpeg(), 65_535, bits=8),
    "JPEG of 9999 x 9999": lambda: coded(uid.JPEGBaseline8Bit, jpeg(9_999), 2_000, bits=8),
    "JPEG of a thousand scans": lambda: coded(uid.JPEGBaseline8Bit, scans(1000), 9_000, bits=8),
    "JPEG-LS of 65535 x 65535": lambda: coded(
        uid.JPEGLSLossless, claiming(imagecodecs.jpegls_encode(SMALL), b"\xff\xf7", ">2H", 5), 65_535
    ),
    "JPEG 2000 of 65535 x 65535": lambda: coded(uid.JPEG2000, jpeg_2000(65_535, 65_535), 65_535),
    "JPEG 2000 of a million tiles": lambda: coded(uid.JPEG2000, jpeg_2000(9_000, 9), 9_000),
    "RLE of 65535 x 65535": lambda: coded(uid.RLELossless, b"", 65_535, fragments=item() + item(bytes(64))),
    "RLE that ends early": lambda: coded(uid.RLELossless, b"", 1_000, fragments=item() + item(bytes(64))),
    "fragments by the hundred thousand": lambda: coded(
        uid.JPEGBaseline8Bit, b"", 64, bits=8, fragments=item() * MANY
    ),
    "an offset table of a megabyte": lambda: coded(
        uid.JPEGBaseline8Bit,
        b"",
        64,
        bits=8,
        fragments=item(bytes(900_000)) + item(jpeg(64) + b"\0" * (len(jpeg(64)) % 2)),
    ),
    "overlays by the hundred": lambda: Bomb(data_set_of(encoded(dx())) + OVERLAYS),
    "a LUT that promises 65536 entries of 16 bits": lambda: Bomb(VOI_LUT + data_set_of(encoded(dx()))),
    "icons": lambda: before(of_length(item(PRIVATE + b"OB\0\0\0\0\0\0") * 50_000, ICON)),
}
PICTURES: dict[str, Callable[[], bytes]] = {
    "PNG of 65535 x 65535": lambda: png(65_535, b""),
    "PNG of 9999 x 9999 and no pixels": lambda: png(9_999, b""),
    "PNG with a text of gigabytes": lambda: png(64, bytes(64 * 65), text=bytes(500 << 20)),
    "JPEG of 65535 x 65535": jpeg,
    "JPEG of a thousand scans": lambda: scans(1000),
}


def png(side: int, pixels: bytes, text: bytes = b"") -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))]
    if text:
        chunks.append((b"zTXt", b"Comment\0\0" + zlib.compress(text, 9)))
    chunks += [(b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_no_more_than_an_image(process: Sandbox, tmp_path: Path, name: str) -> None:
    bomb = BOMBS[name]()
    assert len(bomb.data) <= LARGEST_INPUT + 200_000  # the image that it is hidden in
    received = process.ask(HANGS, cost_of, receive, *bomb)
    assert_cheap(received)
    if received.outcome.startswith("taken"):
        path = tmp_path / "1.dcm"
        path.write_bytes(part_10(bomb))
        assert_cheap(process.ask(HANGS, cost_of, answer, path), honest_pixels(name))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_costs_no_more_than_its_pixels(process: Sandbox, name: str) -> None:
    content = PICTURES[name]()
    assert len(content) <= LARGEST_INPUT
    assert_cheap(process.ask(HANGS, cost_of, draw, content))


def assert_cheap(cost: Cost, honest_pixels: int = 0) -> None:
    assert cost.megabytes <= MOST_MEMORY_MB + honest_pixels * 12 / 1e6, cost
    assert cost.seconds <= MOST_SECONDS, cost


def honest_pixels(name: str) -> int:
    return 9_000 * 9_000 if "thousand scans" in name or "million tiles" in name else 0


def part_10(bomb: Bomb) -> bytes:
    value = bomb.transfer_syntax_uid.encode()
    value += b"\0" * (len(value) % 2)
    meta = b"\2\0\x10\0UI" + len(value).to_bytes(2, "little") + value
    return bytes(128) + b"DICM\2\0\0\0UL\4\0" + len(meta).to_bytes(4, "little") + meta + bomb.data
