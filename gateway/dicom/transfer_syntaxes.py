"""The transfer syntaxes (PS3.5 section 10) that the gateway takes: one list for the network and the decoders.

The listener offers them, STOW-RS and files are checked against them, and `imaging.codecs` decodes each.
"""

from __future__ import annotations

from pydicom import uid

TRANSFER_SYNTAXES: tuple[str, ...] = (
    # in order of preference where one presentation context proposes several: first uncompressed
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    # then lossless
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.RLELossless,
    # then possibly lossy
    uid.JPEG2000,
    uid.HTJ2K,
    uid.JPEGLSNearLossless,
    uid.JPEGExtended12Bit,
    uid.JPEGBaseline8Bit,
)
"""Transfer Syntax UIDs, the most preferred first."""
