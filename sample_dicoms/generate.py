"""Writes the sample DICOM files: python -m sample_dicoms.generate [--into FOLDER] [FILE …]

Without names, all samples and the contact sheet preview.png are written. The same code writes the same bytes:
UIDs, dates and noise are fixed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sample_dicoms.codings import truncate
from sample_dicoms.preview import contact_sheet
from sample_dicoms.samples import SAMPLES, encoded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="*", help="names of samples; all of them if left out")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    for sample in SAMPLES:
        if not arguments.file or sample.header.file in arguments.file:
            (arguments.into / sample.header.file).write_bytes(encoded(sample))
    if not arguments.file:
        complete = [
            arguments.into / sample.header.file for sample in SAMPLES if sample.finish is not truncate
        ]
        contact_sheet(complete).save(arguments.into / "preview.png", optimize=True)


if __name__ == "__main__":
    main()
