"""The DICOM upper layer (PS3.8) for both directions: every byte and every wait is bounded, every end has a
cause.

pynetdicom's state machine and DIMSE services stay; replaced is everything that reads from a peer. `transport`
reads and writes within deadlines, `decoding` reads association PDUs, `messages` reassembles DIMSE messages,
`provider` drives the state machine and notes why a connection ended, `association` ties them together. The
receiver and the Storage SCU build on these classes; nothing else in the gateway opens a DICOM connection.
"""
