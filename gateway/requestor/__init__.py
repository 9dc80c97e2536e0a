"""DICOM associations that the gateway requests (SCU). `gateway/receive/` is the other side.

`gateway/deliver/` stores results by it, `gateway/pull/` searches and fetches studies, `gateway/doctor/` and
`gateway echo` verify nodes.

association.py         one association and its operations, each answered or ended within a time limit
endings.py             how an association ends early, in words
query_association.py   an association for C-FIND, C-GET and C-MOVE: many responses to one request
negotiation.py         A-ASSOCIATE-RQ and the answers to it
message.py             DIMSE messages as bytes, in both directions
part_10.py             files as C-STORE sends them
storage_scu.py         C-STORE and C-ECHO to a node
send.py                `gateway send`: files to a node
node_argument.py       the node that `gateway send` and `gateway echo` are given
"""
