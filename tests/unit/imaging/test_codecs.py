"""Every accepted transfer syntax decodes: streams of imagecodecs, GDCM, CharLS and of vendors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gdcm
import imagecodecs
import jpeg_ls
import numpy as np
import pytest
from pydicom import dcmread, dcmwrite, uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.errors import Reject
from gateway.imaging.codecs import register_codecs
from gateway.imaging.decode import decode
from gateway.records import Reason
from tests.support import codings
from tests.support.codings import LOSSY, Pixels, jpeg_2000
from tests.unit.imaging.tiny_image import everything, grey, ramp, reread, tiny_image

LOSSLESS: dict[str, tuple[str, Callable[[Pixels, int], bytes]]] = {
    name: (syntax, codings.LOSSLESS[syntax])
    for name, syntax in {
        "JPEG Lossless": uid.JPEGLossless,
        "JPEG Lossless SV1": uid.JPEGLosslessSV1,
        "JPEG-LS": uid.JPEGLSLossless,
        "JPEG-LS near-lossless, error 0": uid.JPEGLSNearLossless,
        "JPEG 2000 reversible": uid.JPEG2000Lossless,
        "JPEG 2000": uid.JPEG2000,
        "HTJ2K reversible": uid.HTJ2KLossless,
        "HTJ2K RPCL": uid.HTJ2KLosslessRPCL,
        "HTJ2K": uid.HTJ2K,
    }.items()
}
LARGEST_ERRORS = {  # of a stored value
    "JPEG Baseline": 3,
    "JPEG Extended, 8 bits": 3,
    "JPEG Extended, 12 bits": 16,
    "JPEG-LS near-lossless": 2,
    "JPEG 2000 irreversible": 4,
}


def test_all_accepted_transfer_syntaxes_are_shown_here() -> None:
    native = {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    }
    shown = {syntax for syntax, *_ in (*LOSSLESS.values(), *LOSSY.values())} | native | {uid.RLELossless}
    assert shown == set(TRANSFER_SYNTAXES)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_is_bit_exact(name: str, bits: int) -> None:
    syntax, encode = LOSSLESS[name]
    pixels = _cells(bits)
    ds = _compressed(tiny_image(pixels, bits), syntax, encode(pixels, bits))
    assert grey(reread(ds)) == grey(tiny_image(pixels, bits))


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_of_jpeg_lossless(predictor: int) -> None:
    pixels = ramp(14)
    encoded = imagecodecs.jpeg_encode(pixels, lossless=True, predictor=predictor, bitspersample=14)
    assert grey(_compressed(tiny_image(pixels, 14), uid.JPEGLossless, encoded)) == grey(
        tiny_image(pixels, 14)
    )


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_is_close(name: str) -> None:
    (syntax, bits, encode), error = LOSSY[name], LARGEST_ERRORS[name]
    pixels = _cells(bits)
    ds = _compressed(tiny_image(pixels, bits, **everything(bits)), syntax, encode(pixels))
    difference = np.array(grey(reread(ds))) - grey(tiny_image(pixels, bits, **everything(bits)))
    assert np.abs(difference).max() <= error * 65535 / ((1 << bits) - 1) + 1


@pytest.mark.parametrize(
    "syntax",
    [uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian, uid.ExplicitVRLittleEndian],
)
def test_native_little_endian(syntax: str) -> None:
    ds = tiny_image(ramp(12), 12)
    ds.file_meta.TransferSyntaxUID = syntax
    assert grey(reread(ds)) == grey(tiny_image(ramp(12), 12))


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "MR_small_expb.dcm", "MR_small_RLE.dcm"])
@pytest.mark.parametrize("twin", ["MR_small.dcm"])
def test_shipped_twins_are_equal(name: str, twin: str) -> None:
    assert grey(_shipped(name)) == grey(_shipped(twin))


@pytest.mark.parametrize(
    "syntax",
    ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless"],
)
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (16, False), (16, True)])
def test_what_gdcm_encodes_losslessly(syntax: str, bits: int, signed: bool, tmp_path: Path) -> None:
    pixels = _cells(bits).astype(np.int64) - (1 << (bits - 1) if signed else 0)
    plain = tiny_image(pixels, bits, signed)
    assert grey(_encoded_by_gdcm(plain, syntax, tmp_path)) == grey(plain)


@pytest.mark.parametrize("precision", [12, 16])
def test_jpeg_2000_precision_may_differ_from_bits_stored(precision: int) -> None:
    pixels = ramp(12)
    encoded = jpeg_2000(pixels, precision)
    ds = _compressed(tiny_image(pixels, 12), uid.JPEG2000Lossless, encoded)
    assert grey(ds) == grey(tiny_image(pixels, 12))


def test_values_beyond_bits_stored_are_kept_apart() -> None:
    pixels = ramp(14)
    ds = _compressed(tiny_image(pixels, 12), uid.JPEG2000Lossless, jpeg_2000(pixels, 14))
    assert grey(ds) == grey(tiny_image(pixels, 14))
    assert decode(ds).steps[0].endswith("coded with 14 bits, and its values need them")


def test_overshoot_of_lossy_coding_stays_white() -> None:
    pixels = np.full((64, 64), 1023, np.uint16)
    pixels[20:40, 20:40] = 0
    encoded = imagecodecs.jpeg_encode(pixels, 40, bitspersample=12)
    assert imagecodecs.jpeg_decode(encoded).max() > 1023
    ds = _compressed(tiny_image(pixels, 10), uid.JPEGExtended12Bit, encoded)
    difference = decode(ds).pixels.astype(int) - decode(tiny_image(pixels, 10)).pixels
    assert np.abs(difference).max() < 0.1 * 65535


WHOLE_CELLS = ["JPEG Lossless", "JPEG Lossless SV1", "JPEG-LS"]
WHOLE_CELLS += ["JPEG 2000 reversible", "HTJ2K reversible", "HTJ2K RPCL"]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", WHOLE_CELLS)
def test_bits_beside_the_stored_value_are_dropped_after_lossless_coding(name: str, signed: bool) -> None:
    """An overlay in bit 15, and a value in the middle of the cell, are coded with the whole cell."""
    syntax, encode = LOSSLESS[name]
    values = ramp(12).astype(np.int64) - (2048 if signed else 0)
    patterns = (values & 0xFFF).astype(np.uint16)
    overlay = (patterns % 3 == 0).astype(np.uint16) << 15
    for high_bit, cells in ((11, patterns | overlay), (13, patterns << 2 | overlay)):
        ds = _compressed(tiny_image(values, 12, signed), syntax, encode(cells, 16))
        ds.HighBit = high_bit
        assert grey(ds) == grey(tiny_image(values, 12, signed))


@pytest.mark.parametrize("bits", [12, 16])
def test_signed_values_in_jpeg_ls_which_knows_no_sign(bits: int) -> None:
    values = ramp(bits).astype(np.int64) - (1 << (bits - 1))
    patterns = (values & ((1 << bits) - 1)).astype(np.uint16)
    encoded = bytes(jpeg_ls.encode_array(patterns))
    plain = tiny_image(values, bits, signed=True)
    ds = _compressed(tiny_image(values, bits, signed=True), uid.JPEGLSLossless, encoded)
    assert grey(ds) == grey(plain)


@pytest.mark.parametrize("name", ["J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm"])
def test_jpeg_2000_sign_that_differs_from_pixel_representation(name: str) -> None:
    ds = _shipped(name)
    for keyword in ("PixelPaddingValue", "RescaleSlope", "RescaleIntercept"):
        if keyword in ds:
            del ds[keyword]
    ds.update(everything(ds.BitsStored, signed=True))
    stored = ds.pixel_array.astype(np.int64)
    lowest = -(1 << (ds.BitsStored - 1))
    expected = (stored - lowest) / ((1 << ds.BitsStored) - 1) * 65535
    assert np.abs(decode(ds).pixels - expected).max() < 1


def test_jpeg_extended_of_12_bits_that_another_vendor_wrote() -> None:
    ds = _shipped("JPGExtended.dcm")
    ds.update(everything(12))
    pixels = decode(ds).pixels
    assert (pixels.shape, pixels.max() // 16) == ((1024, 256), 264)


DEEPER = [name for name in LOSSLESS if name != "JPEG-LS near-lossless, error 0"]


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("name", DEEPER)
def test_a_codestream_deeper_than_bits_allocated_is_followed(name: str, bits: int) -> None:
    syntax, encode = LOSSLESS[name]
    ds = _compressed(tiny_image(ramp(8), 8), syntax, encode(ramp(bits), bits))
    assert grey(ds) == grey(tiny_image(ramp(bits), bits))
    assert "coded with 1" in decode(ds).steps[0]


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_codestream_of_8_bits_where_16_are_allocated_is_followed(name: str) -> None:
    syntax, encode = LOSSLESS[name]
    ds = _compressed(tiny_image(ramp(12), 12), syntax, encode(_cells(8), 8))
    assert grey(ds) == grey(tiny_image(ramp(8), 8))


@pytest.mark.parametrize("segments", [1, 2])
def test_rle_of_another_depth_is_rejected(segments: int) -> None:
    plane = imagecodecs.packbits_encode(bytes(24 * 40))
    starts = [64 + number * len(plane) for number in range(segments)]
    header = np.array([segments, *starts, *[0] * (15 - segments)], "<u4").tobytes()
    bits = 16 if segments == 1 else 8
    ds = _compressed(tiny_image(ramp(bits), bits), uid.RLELossless, header + plane * segments)
    with pytest.raises(Reject):
        decode(ds)


def test_jpeg_2000_that_is_signed_where_the_header_is_not() -> None:
    values = ramp(12).astype(np.int16) - 2048
    encoded = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, bitspersample=12)
    ds = _compressed(tiny_image(ramp(12), 12), uid.JPEG2000Lossless, encoded)
    assert grey(ds) == grey(tiny_image(values, 12, signed=True))
    assert decode(ds).steps[0].endswith("coded signed")


@pytest.mark.parametrize("entries", [1, 2, 3, 7])
@pytest.mark.parametrize("syntax", ["JPEG-LS", "JPEG 2000", "JPEG Lossless SV1"])
def test_a_basic_offset_table_does_not_matter_for_one_frame(syntax: str, entries: int) -> None:
    uid_, encode = LOSSLESS[syntax]
    fragments = encapsulate([encode(ramp(12), 12)], fragments_per_frame=3, has_bot=False)[8:]
    table = np.arange(entries, dtype="<u4").tobytes()
    ds = tiny_image(ramp(12), 12)
    _replace_pixel_data(ds, uid_, b"\xfe\xff\0\xe0" + len(table).to_bytes(4, "little") + table + fragments)
    assert grey(ds) == grey(tiny_image(ramp(12), 12))


@pytest.mark.parametrize("after", [b"\0" * 5, b"\xff" * 4, b"\0\1\2", b"<made by a workstation>" * 9])
@pytest.mark.parametrize("name", ["JPEG Lossless SV1", "JPEG-LS", "JPEG Lossless"])
def test_bytes_after_the_end_are_no_early_end(name: str, after: bytes) -> None:
    syntax, encode = LOSSLESS[name]
    ds = _compressed(tiny_image(ramp(12), 12), syntax, bytes(encode(ramp(12), 12)) + after)
    assert grey(ds) == grey(tiny_image(ramp(12), 12))


@pytest.mark.parametrize("with_table", [True, False])
def test_fragments_are_joined(with_table: bool) -> None:
    pixels = ramp(12)
    encoded = imagecodecs.jpegls_encode(pixels)
    ds = tiny_image(pixels, 12)
    data = encapsulate([encoded], fragments_per_frame=5, has_bot=with_table)
    _replace_pixel_data(
        ds, uid.JPEGLSLossless, data + b"\xfe\xff\x00\xe0\0\0\0\0"
    )  # a last fragment of no bytes
    assert grey(ds) == grey(tiny_image(pixels, 12))


DAMAGED: dict[str, bytes] = {
    "no items": b"\xff" * 32,
    "empty frame": encapsulate([b"\0\0"]),
    "not JPEG-LS": encapsulate([b"<html>no picture</html>"]),
    "cut off": encapsulate([imagecodecs.jpegls_encode(ramp(12))[:60]]),
    "another size": encapsulate([imagecodecs.jpegls_encode(ramp(12, 20, 20))]),
    "three colours": encapsulate([imagecodecs.jpegls_encode(np.zeros((24, 40, 3), np.uint8))]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_streams_are_rejected(name: str) -> None:
    ds = tiny_image(ramp(12), 12)
    _replace_pixel_data(ds, uid.JPEGLSLossless, DAMAGED[name])
    with pytest.raises(Reject) as caught:
        decode(ds)
    assert caught.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("syntax", [s for s in TRANSFER_SYNTAXES if uid.UID(s).is_encapsulated])
def test_random_bytes_are_rejected(syntax: str) -> None:
    ds = tiny_image(ramp(12), 12)
    noise = np.random.default_rng(0).bytes(500)
    _replace_pixel_data(ds, syntax, encapsulate([noise]))
    with pytest.raises(Reject) as caught:
        decode(ds)
    assert caught.value.reason is Reason.UNDECODABLE


def test_a_codestream_that_claims_a_gigapixel_is_refused_before_it_is_decoded() -> None:
    encoded = bytearray(jpeg_2000(ramp(12), 12))
    encoded[8:16] = (60_000).to_bytes(4, "big") * 2
    ds = tiny_image(ramp(12), 12)
    _replace_pixel_data(ds, uid.JPEG2000Lossless, encapsulate([bytes(encoded)]))
    with pytest.raises(Reject, match="size"):
        decode(ds)


def test_registering_twice_is_harmless() -> None:
    register_codecs()
    register_codecs()


def _cells(bits: int) -> Pixels:
    return ramp(bits).astype(np.uint8 if bits <= 8 else np.uint16)


def _compressed(ds: Dataset, syntax: str, encoded: bytes) -> Dataset:
    _replace_pixel_data(ds, syntax, encapsulate([bytes(encoded)]))
    return ds


def _replace_pixel_data(ds: Dataset, syntax: str, data: bytes) -> None:
    ds.file_meta.TransferSyntaxUID = syntax
    ds.add_new("PixelData", "OB", data)
    ds["PixelData"].is_undefined_length = True


def _encoded_by_gdcm(ds: Dataset, syntax: str, folder: Path) -> Dataset:
    plain, compressed = folder / "plain.dcm", folder / "compressed.dcm"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    dcmwrite(plain, ds, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(compressed))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return dcmread(compressed)


def _shipped(name: str) -> Dataset:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return dcmread(path)
