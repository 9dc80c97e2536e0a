"""RECEIVE: the DICOM listener, one file per DIMSE service."""
