"""Connections that the gateway opens to other systems: within deadlines, with an end that is always told.

`gateway/requestor/` builds DICOM associations on it; `gateway/deliver/`, `gateway/pull/` and
`gateway/remote/` send their requests by HTTP over it.

connection.py     one TCP connection, with TLS where it is configured; no wait is without end
exchange.py       the ways in which a request ends without an answer
http.py           requests by HTTP/1.1
web_data_set.py   data sets in the answers of DICOMweb servers
"""
