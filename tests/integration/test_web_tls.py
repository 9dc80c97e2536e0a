"""The pages over HTTPS, as a browser and a DICOMweb client meet them."""

from pathlib import Path

import pytest
import requests

from gateway.settings import TLS
from tests.certificates import Authority
from tests.site import browsing, site_in, stow
from tests.sources import dx, encoded

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
