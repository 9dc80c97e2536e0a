"""`gateway send`: any DICOM files to a node, a few associations at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.errors import InvalidDicomError

from gateway.dicom.statuses import is_success
from gateway.requestor.association import MAX_CONTEXTS, Association
from gateway.requestor.endings import Ended
from gateway.requestor.part_10 import Content, Unreadable, content_of
from gateway.requestor.storage_scu import DicomNode, NotNow, Unsupported, associate, store


@dataclass(frozen=True, slots=True)
class Sent:
    """Outcome of one file; `problem` is a sentence for a person."""

    file: Path
    stored: bool
    problem: str = ""
    is_dicom: bool = True


def send_files(files: Sequence[Path], node: DicomNode) -> Iterator[Sent]:
    """Send each file; yields its outcome in turn.

    Raises
    ------
    Retry
        If the node takes no association.
    Unsupported
        If it knows none of the files' kinds.
    """
    contents: dict[Path, Content] = {}
    for file in files:
        try:
            contents[file] = content_of(file)
        except InvalidDicomError:
            yield Sent(file, stored=False, problem="not a DICOM file", is_dicom=False)
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
    if not assoc.is_open:
        return Sent(file, stored=False, problem="the association ended early")
    try:
        assoc.check()
        answer = store(assoc, file)
    except (Ended, NotNow, Unsupported, Unreadable) as problem:
        return Sent(file, stored=False, problem=str(problem))
    except InvalidDicomError:
        return Sent(file, stored=False, problem="not a DICOM file")
    if is_success(answer.status):
        return Sent(file, stored=True)
    return Sent(file, stored=False, problem=f"status 0x{answer.status:04X} {answer.comment}".rstrip())
