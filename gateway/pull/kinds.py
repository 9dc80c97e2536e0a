"""The kinds of source: from the type of a source's settings to its class.

A new kind is a settings type in `settings.Source`, a module with its class, and an entry here.
"""

from __future__ import annotations

from gateway.pull.dicom_source import DicomArchive
from gateway.pull.selection import Selection
from gateway.pull.source import Source
from gateway.pull.web_source import WebArchive
from gateway.receive.intake import Intake
from gateway.settings import DicomSource, Settings, WebSource
from gateway.settings import Source as SourceSettings


def open_source(source: SourceSettings, settings: Settings, intake: Intake) -> Source:
    """Return a configured source; nothing is connected yet."""
    us = settings.scp.ae_title
    match source:
        case DicomSource():
            return DicomArchive(source, us, intake, selection_of(settings).sop_classes)
        case WebSource():
            return WebArchive(source, us, intake, settings.directory.uploads)


def selection_of(settings: Settings) -> Selection:
    """Return the choice by the settings."""
    return Selection(settings.select.secondary_capture)
