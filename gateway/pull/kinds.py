"""The kinds of source: from the type of a source's settings to its class.

A new kind is a settings type in `settings.Source`, a module with its class, and an entry here.
"""

from __future__ import annotations

from gateway.pull.dicom_source import DicomArchive
from gateway.pull.selection import Selection
from gateway.pull.source import Source
from gateway.receive.intake import Intake
from gateway.settings import Settings
from gateway.settings import Source as SourceSettings


def open_source(source: SourceSettings, settings: Settings, intake: Intake) -> Source:
    """Return a configured source; nothing is connected yet."""
    return DicomArchive(source, settings.scp.ae_title, intake, selection_of(settings).sop_classes)


def selection_of(settings: Settings) -> Selection:
    """Return the choice by the settings."""
    return Selection(settings.select.secondary_capture)
