"""The pages over HTTPS, as a browser and a DICOMweb client meet them."""

import socket
import ssl
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from gateway.settings import TLS
from gateway.web.listener import MOST_FROM_ONE_ADDRESS
from tests.support.certificates import Authority
from tests.support.site import browsing, site_in, stow
from tests.support.sources import dx, encoded
from tests.wire.http_client import HttpClient

TOKEN = "a token of some length"


def test_pages_and_store_over_https(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    tls = TLS.model_validate(authority.sign("gateway").files)
    with browsing(site_in(tmp_path, tls=tls, token=TOKEN)) as browser:
        assert browser.url.startswith("https://")
        with pytest.raises(requests.exceptions.SSLError):
            browser.get("/health/live")
        browser.trust_env = False  # else REQUESTS_CA_BUNDLE would win
        browser.verify = str(authority.ca)
        cookie = browser.post("/login", data={"secret": TOKEN}).headers["Set-Cookie"]
        assert "; Secure" in cookie
        assert browser.get("/").status_code == 200
        browser.cookies.clear()
        browser.headers["Authorization"] = f"Bearer {TOKEN}"
        assert stow(browser, encoded(dx())).status_code == 200


def certificate_of(url: str) -> bytes:
    """Return what is shown to a client that names no server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = urlsplit(url)
    with (
        socket.create_connection((address.hostname, address.port)) as plain,
        context.wrap_socket(plain) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def test_handshakes_that_do_not_begin_keep_nobody_out(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    tls = TLS.model_validate(authority.sign("gateway").files)
    with browsing(site_in(tmp_path, tls=tls)) as browser, ExitStack() as stack:
        browser.trust_env = False
        browser.verify = str(authority.ca)
        crowd = [stack.enter_context(HttpClient(browser.url)) for _ in range(MOST_FROM_ONE_ADDRESS + 5)]
        assert browser.get("/health/live").status_code == 200
        assert all(client.is_closed() for client in crowd[:6])


def test_a_renewed_certificate_counts_from_the_next_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    files = authority.sign("gateway")
    with browsing(site_in(tmp_path, tls=TLS.model_validate(files.files))) as browser:
        before = certificate_of(browser.url)
        authority.sign("gateway")
        renewed = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
        assert certificate_of(browser.url) == renewed != before
        files.key.write_text("half a renewal")
        assert certificate_of(browser.url) == renewed
