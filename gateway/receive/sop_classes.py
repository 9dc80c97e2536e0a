"""The SOP classes that the gateway stores, for every protocol by which instances come."""

from __future__ import annotations

from pynetdicom import AllStoragePresentationContexts

SOP_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
"""Every storage SOP class (PS3.4 B.5). A sender of studies sends dose reports, presentation states and our
own results beside the radiographs; refused once, it would try for ever or give up on the study."""
