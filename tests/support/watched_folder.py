"""A third input beside C-STORE and STOW-RS: a folder into which somebody puts Part 10 files.

Everything that the gateway needs of a new input is here: one adapter, and no other module is touched.
"""

from __future__ import annotations

from pathlib import Path

from gateway.dicom.statuses import Refuse, Status
from gateway.receive.incoming import Sender
from gateway.receive.intake import Intake
from gateway.receive.part_10 import ArrivedFile


class WatchedFolder:
    """Takes the files of a folder.

    A kept file goes. A refused file is renamed, and the reason stands beside it. A file for which there is no
    room stays for the next sweep.
    """

    def __init__(self, folder: Path, intake: Intake, ae_title: str = "FOLDER") -> None:
        self._folder = folder
        self._intake = intake
        self._sender = Sender(ae_title, "CXR_GATEWAY", "")

    def sweep(self) -> None:
        """Take each file that lies in the folder now."""
        for path in sorted(self._folder.glob("*.dcm")):
            self._take(path)

    def _take(self, path: Path) -> None:
        try:
            self._intake.keep(ArrivedFile(memoryview(path.read_bytes()), self._sender))
        except Refuse as refusal:
            if refusal.status is not Status.OUT_OF_RESOURCES:
                path.with_suffix(".txt").write_text(refusal.reason)
                path.rename(path.with_suffix(".refused"))
        else:
            path.unlink()
