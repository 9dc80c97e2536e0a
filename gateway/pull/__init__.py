"""PULL: asks sources for studies, chooses radiographs, fetches them, and records each study until it is
complete.

A source is a PACS by C-FIND with C-GET or C-MOVE, or a DICOMweb server. What is fetched is kept by the
intake, as what is sent is.
"""
