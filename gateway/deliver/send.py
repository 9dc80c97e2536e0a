"""`gateway send`: any DICOM files to a node, a few associations at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pynetdicom.association import Association

from gateway.deliver.storage_scu import MAX_CONTEXTS, Content, DicomNode, associate, content_of, store


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file; `problem` is a sentence for a person."""

    file: Path
    stored: bool
    problem: str = ""


def send_files(files: Sequence[Path], node: DicomNode) -> Iterator[Sent]:
    """Send each file; yields its outcome in turn.

    Raises
    ------
    Retry
        If the node takes no association.
    """
    contents: dict[Path, Content] = {}
    for file in files:
        try:
            contents[file] = content_of(file)
        except (InvalidDicomError, AttributeError):
            yield Sent(file, stored=False, problem="not a DICOM file")
        except OSError as error:
            yield Sent(file, stored=False, problem=error.strerror or str(error))
    for group in _groups(contents):
        with associate(node, {contents[file] for file in group}) as assoc:
            for file in group:
                yield _send(assoc, file)


def _groups(contents: dict[Path, Content]) -> Iterator[list[Path]]:
    """Split so that each group fits one association's presentation contexts."""
    group: list[Path] = []
    offered: set[Content] = set()
    for file, content in contents.items():
        if len(offered | {content}) > MAX_CONTEXTS:
            yield group
            group, offered = [], set()
        group.append(file)
        offered.add(content)
    if group:
        yield group


def _send(assoc: Association, file: Path) -> Sent:
    if not assoc.is_established:
        return Sent(file, stored=False, problem="the association ended early")
    try:
        status, comment = store(assoc, file)
    except ValueError:
        return Sent(file, stored=False, problem="the node accepts no presentation context for it")
    except OSError as error:
        return Sent(file, stored=False, problem=error.strerror or str(error))
    if status is None:
        return Sent(file, stored=False, problem=comment)
    if status == 0x0000 or status >> 12 == 0xB:
        return Sent(file, stored=True)
    return Sent(file, stored=False, problem=f"status 0x{status:04X} {comment}".rstrip())
