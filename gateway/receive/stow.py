"""STOW-RS (PS3.18 section 10.5): the adapter between stored files and `Intake`, apart from HTTP.

Called by `web.api.stow`, which hands over one file of a request after the other. The answer is the Store
Instances Response Module (PS3.18 Table I.2-1), with the statuses of C-STORE (PS3.18 Table I.2-2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.uid import is_uid
from gateway.receive.data_set import Header, Identity
from gateway.receive.incoming import Sender
from gateway.receive.intake import Intake
from gateway.receive.part_10 import ArrivedFile


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One file of a request: the instance in it, as far as it is known, and its status."""

    identity: Identity
    status: Status


@dataclass(frozen=True, slots=True)
class StoreResponse:
    """The answer to one request; `failed` and `stored` are in the order of the files."""

    stored: tuple[FileOutcome, ...]
    failed: tuple[FileOutcome, ...]

    @classmethod
    def of(cls, outcomes: Sequence[FileOutcome]) -> StoreResponse:
        """Return the answer for these files."""
        stored = tuple(each for each in outcomes if each.status is Status.SUCCESS)
        return cls(stored, tuple(each for each in outcomes if each.status is not Status.SUCCESS))

    @property
    def lacks_room_alone(self) -> bool:
        """Tell whether every failure is one that a later request may not meet."""
        return all(each.status is Status.OUT_OF_RESOURCES for each in self.failed)

    def module(self) -> dict[str, Any]:
        """Return the Store Instances Response Module in the DICOM JSON model (PS3.18 Annex F)."""
        named = [each for each in self.failed if is_uid(each.identity.sop_instance_uid)]
        nameless = [each for each in self.failed if each not in named]
        sequences = {
            "00081199": [_reference(each) for each in self.stored],  # Referenced SOP Sequence
            "00081198": [_reference(each) | _reason(each) for each in named],  # Failed SOP Sequence
            "0008119A": [_reason(each) for each in nameless],  # Other Failures Sequence
        }
        return {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}


class Stow:
    """Keeps the files of STOW-RS requests.

    Parameters
    ----------
    calling_ae_title, called_ae_title
        The titles that stand for a web client and for the gateway: HTTP has none.
    """

    def __init__(self, intake: Intake, calling_ae_title: str, called_ae_title: str) -> None:
        self._intake = intake
        self._calling_ae_title = calling_ae_title
        self._called_ae_title = called_ae_title

    def store(self, content: memoryview, address: str, study_instance_uid: str | None) -> FileOutcome:
        """Keep one file.

        Parameters
        ----------
        address
            IP address of the client.
        study_instance_uid
            The study that the request's target names, None where it names none.
        """
        sender = Sender(self._calling_ae_title, self._called_ae_title, address)
        file = _FileOfStudy(content, sender, study_instance_uid)
        try:
            self._intake.keep(file)
        except Refuse as refusal:
            return FileOutcome(file.claimed, refusal.status)
        return FileOutcome(file.claimed, Status.SUCCESS)


class _FileOfStudy(ArrivedFile):
    """A file that must be of the request's study (PS3.18 10.5.1.1)."""

    def __init__(self, content: memoryview, sender: Sender, study_instance_uid: str | None) -> None:
        super().__init__(content, sender)
        self._study_instance_uid = study_instance_uid

    def check(self, header: Header) -> None:
        super().check(header)
        if self._study_instance_uid not in (None, header.study_instance_uid):
            raise Refuse(Status.SOP_CLASS_MISMATCH, "the instance is of another study than the request's")


def _reason(outcome: FileOutcome) -> dict[str, Any]:
    return {"00081197": {"vr": "US", "Value": [int(outcome.status)]}}


def _reference(outcome: FileOutcome) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [outcome.identity.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [outcome.identity.sop_instance_uid]},
    }
