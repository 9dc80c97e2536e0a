"""Completes the attributes of lossy compression: results of such an image state it (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import HTJ2K, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

_METHOD: dict[str, str] = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
    HTJ2K: "ISO_15444_15",
}


def complete_lossy_compression(header: Dataset, source: Dataset) -> None:
    """Add to `header` what `source` does not say of its own lossy compression but its encoding shows.

    A lossy transfer syntax means `01` unless the image says `00`; the method follows from the transfer
    syntax, and the ratio from the length of the encoded pixels.
    """
    method = _METHOD.get(_transfer_syntax_uid(source))
    if method and not header.get("LossyImageCompression"):
        header.LossyImageCompression = "01"
    if method and header.get("LossyImageCompression") == "01":
        header.LossyImageCompressionMethod = header.get("LossyImageCompressionMethod") or method
        header.LossyImageCompressionRatio = header.get("LossyImageCompressionRatio") or _ratio(source)


def _transfer_syntax_uid(source: Dataset) -> str:
    file_meta = getattr(source, "file_meta", None)
    return str(file_meta.get("TransferSyntaxUID", "")) if file_meta else ""


def _ratio(source: Dataset) -> str:
    encoded = source.get_item("PixelData").value if "PixelData" in source else None
    if not encoded:
        return ""
    bits = source.get("Rows", 0) * source.get("Columns", 0) * source.get("BitsStored", 0)
    return f"{bits / 8 / len(encoded):.4g}"
