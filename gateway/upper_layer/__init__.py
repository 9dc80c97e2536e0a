"""The DICOM upper layer (PS3.8): every byte and every wait is bounded, every end has a cause.

`endings` and the bounds are shared by both directions. The receiver builds on all of it: pynetdicom's state
machine and services stay, replaced is everything that reads from a peer. `transport` reads and writes within
deadlines, `decoding` reads association requests, `messages` reassembles DIMSE messages, `provider` drives the
state machine and notes why a connection ended, `association` ties them together.
"""
