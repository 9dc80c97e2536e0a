"""The DICOM upper layer (PS3.8): all bytes and waits are bounded, and every connection's end has one cause.

The receiver builds its associations on this package; `gateway/client/` and `gateway/requestor/` use its
bounds and its words for ends. pynetdicom's state machine and services stay; everything that reads from a peer
is replaced.

transport.py     reads and writes PDUs within deadlines
decoding.py      decodes association requests
messages.py      reassembles DIMSE messages
provider.py      reads PDUs and records the end of a connection
protocol.py      the state machine
primitives.py, timer.py, bell.py   what the threads of a connection exchange and wait for
association.py   one association, built from the parts above
endings.py       causes of ends, in words
"""
