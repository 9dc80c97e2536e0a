"""Advice of the doctor for a destination that is not reached: what to change, and on which side."""

from __future__ import annotations

ADVICE = {
    "Called AE title not recognised": "here: ae_title of this destination; there: what it calls itself",
    "Calling AE title not recognised": "there: make {us} known as a node, with this machine's address",
    "no access token": "here: token_url, client_id, client_secret or client_key; there: this client",
    "certificate": "here: the destination's tls or ca; there: its certificate, and whom it trusts",
    "the host is not known": "here: the destination's host, or the DNS",
    "speaks TLS": "here: give the destination its tls, or the port that takes plain DICOM",
    "not DICOM": "here: the destination's host and port; something else than DICOM answers there",
    "sent a PDU of type": "here: the destination's host and port; something else than DICOM answers there",
    "during the TLS handshake": "here: does the destination's tls fit the port?",
    "before it answered": "here: tls, if it wants that; there: it must know {us} with this machine's address",
    "TLS": "here: does the destination's tls or url fit the port? there: TLS 1.2 or later",
    "nothing answers": "there: is it running and listening there? here: host and port; between: the firewall",
}
ASK = "there: its log says why; it must know {us} with this machine's address"
ASK_SERVICE = "here: host and port, or the url; there: its log, and that of a proxy before it"
"""Where the gateway has no AE title: HTTP and MLLP."""


def advice_for(problem: str, us: str = "") -> str:
    """Return the advice for the words with which an association or a request ended.

    Parameters
    ----------
    us
        The calling AE title of the gateway; empty towards a service that knows none.
    """
    advice = next((advice for words, advice in ADVICE.items() if words in problem), ASK)
    return advice.format(us=us) if us or "{us}" not in advice else ASK_SERVICE
