"""Kinds of result that the gateway itself looks for, and media types; `results/kinds.py` has all kinds."""

from __future__ import annotations

SR, SC, PRESENTATION_STATE, ENCAPSULATED_PDF = "sr", "sc", "pr", "pdf"
"""The kinds of result that the gateway itself looks for; `results.kinds` has all."""

HL7, FHIR = "hl7", "fhir"
"""The kinds of result that are an HL7 v2 message and a FHIR Bundle."""

OWN_NOTE, HL7_WITHDRAWAL, FHIR_WITHDRAWAL = "ko", "hl7-withdrawal", "fhir-withdrawal"
"""The kinds that follow a rejection: a note on DICOM results; a message or Bundle that withdraws another."""

WITHDRAWALS = HL7_WITHDRAWAL, FHIR_WITHDRAWAL

DICOM = "application/dicom"
"""Media type of a Part 10 file (PS3.18 8.7.3.1)."""

HL7_V2 = "application/hl7-v2"
"""Media type of an HL7 v2 message in ER7 encoding."""

FHIR_JSON = "application/fhir+json"
"""Media type of a FHIR resource in JSON (R4 3.1.0.1.10)."""

FONTS = ("/usr/share/fonts",)
"""Folders in which the fonts of the PDF are looked for, where the settings name no others."""
