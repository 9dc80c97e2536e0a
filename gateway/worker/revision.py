"""The revision of everything that changes an answer or a result's bytes: a digest of its source files.

It is part of every result's UID, so that one UID never names two contents. After a change of such a file,
`make revision` writes the new one into this file; a test fails until then. Where two branches have changed
it, either line will do: run the command again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from gateway import __version__

REVISION = "853d8c662354"
SOFTWARE_VERSION = f"{__version__}+{REVISION}"

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = ("dicom", "imaging", "model", "records", "results")
_WORKER = ("answering", "encode", "ends", "image", "inference", "pipeline", "source_file", "stages")
_MODULES = tuple(f"worker/{name}.py" for name in _WORKER)
_LINE = re.compile(r'^REVISION = "[0-9a-f]*"$', re.MULTILINE)


def digest(package: Path = _PACKAGE) -> str:
    """Return the revision of the files as they are: twelve hexadecimal digits."""
    whole = hashlib.sha256()
    for path in _files(package):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()[:12]


def write(package: Path = _PACKAGE) -> str:
    """Write the present revision into this module; return it."""
    module, revision = package / "worker" / "revision.py", digest(package)
    module.write_text(_LINE.sub(f'REVISION = "{revision}"', module.read_text()))
    return revision


def _files(package: Path) -> Iterator[Path]:
    found = [path for folder in _FOLDERS for path in (package / folder).rglob("*.py")]
    yield from sorted([*found, *(package / name for name in _MODULES)])


if __name__ == "__main__":
    print(write())  # noqa: T201
