"""Who may ask: signing in, tokens, other sites, and what strangers get."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from gateway.settings import User
from gateway.web.security.passwords import hash_password
from tests.support.site import Browser, add_answer, browsing, judged, site_in

TOKEN = "a token of some length"
PAGE = {"Accept": "text/html"}
RITA = User(name="Rita", password=hash_password("correct horse"))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Browser]:
    with browsing(site_in(tmp_path, token=TOKEN, users=(RITA,))) as browser:
        yield browser


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Browser]:
    with browsing(site_in(tmp_path)) as browser:
        yield browser


def sign_in(browser: Browser, secret: str = "correct horse") -> int:  # noqa: S107
    return browser.post("/login", data={"name": "Rita", "secret": secret}).status_code


@pytest.mark.parametrize("path", ["/api/instances", "/metrics", "/openapi.json", "/instances/1.2/pixels"])
def test_without_a_token_a_program_gets_401(guarded: Browser, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_without_a_session_a_person_is_sent_to_sign_in(guarded: Browser) -> None:
    answer = guarded.get("/dashboard", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/dashboard")


def test_who_signs_in_again_comes_back_to_search_and_ticks(guarded: Browser) -> None:
    ticked = "/bulk?action=retry" + "".join(f"&row={1_000_000_000 + number}" for number in range(500))
    fragment = {"HX-Request": "true", "HX-Current-URL": f"{guarded.url}/?state=failed&days=7"}
    for path, headers, header, expected in (
        (ticked, PAGE, "Location", ticked),
        ("/?description=ches%26t%20x", PAGE, "Location", "/?description=ches%26t%20x"),
        ("/rows", fragment, "HX-Redirect", "/?state=failed&days=7"),
        ("/a%20b", PAGE, "Location", "/a%20b"),
        ("/rows", fragment | {"HX-Current-URL": f"{guarded.url}/a%20b"}, "HX-Redirect", "/a%20b"),
        ("/rows", fragment | {"HX-Current-URL": "http://[x"}, "HX-Redirect", "/"),
        ("/rows", {"HX-Request": "true"}, "HX-Redirect", "/"),
        ("/rows", {"HX-Request": "true", "HX-Current-URL": "https://evil//evil/x"}, "HX-Redirect", "/"),
    ):
        to_sign_in = guarded.get(path, headers=headers).headers[header]
        target = re.search('name="target" value="([^"]*)"', guarded.get(to_sign_in, headers=PAGE).text)
        assert target is not None
        form = {"secret": TOKEN, "target": unescape(target[1])}
        answer = guarded.post("/login", data=form, headers={"Origin": guarded.url})
        assert (answer.status_code, answer.headers["Location"]) == (303, expected)
        guarded.cookies.clear()


def test_health_needs_no_token(guarded: Browser) -> None:
    assert guarded.get("/health/live").status_code == 200


def test_the_token_opens(guarded: Browser) -> None:
    assert guarded.get("/api/instances", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.get("/api/instances", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_user_opens_by_basic_authentication(guarded: Browser) -> None:
    credentials = base64.b64encode(b"Rita:correct horse").decode()
    assert guarded.get("/api/instances", headers={"Authorization": f"Basic {credentials}"}).status_code == 200
    assert guarded.get("/api/instances", headers={"Authorization": "Basic !"}).status_code == 401


def test_a_session_is_a_strict_cookie_and_ends(guarded: Browser) -> None:
    answer = guarded.post(
        "/login", data={"name": "Rita", "secret": "correct horse", "target": "//evil.example"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert guarded.get("/").status_code == 200
    own = {"Sec-Fetch-Site": "same-origin"}
    assert guarded.post("/logout", headers=own).status_code == 303
    assert guarded.get("/").status_code == 401


def test_a_users_feedback_has_the_users_name(tmp_path: Path) -> None:
    site = site_in(tmp_path, users=(RITA,))
    uid = add_answer(site, 1).sop_instance_uid
    with browsing(site) as browser:
        sign_in(browser)
        form = {"verdict": "agree", "reader": "Somebody Else", "judged": judged(site, uid)}
        browser.post(f"/instances/{uid}/feedback", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert [each.reader for each in site.readings.of(uid)] == ["Rita"]


def test_nobody_reads_under_a_users_name(tmp_path: Path) -> None:
    site = site_in(tmp_path, users=(RITA,), token=TOKEN)
    uid = add_answer(site, 1).sop_instance_uid
    form = {"verdict": "agree", "judged": judged(site, uid), "reader": " rita"}
    with browsing(site) as browser:
        browser.headers["Authorization"] = f"Bearer {TOKEN}"
        assert "sign in as rita" in browser.post(f"/instances/{uid}/feedback", data=form).text
        assert browser.cookies.get("gateway_reader") is None
        assert site.readings.of(uid) == []
        browser.post(f"/instances/{uid}/feedback", data=form | {"reader": "Ron"})
    assert [each.reader for each in site.readings.of(uid)] == ["Ron"]


def test_who_signs_in_by_the_token_reads_under_the_name_given_there(tmp_path: Path) -> None:
    site = site_in(tmp_path, token=TOKEN)
    uid = add_answer(site, 1).sop_instance_uid
    with browsing(site) as browser:
        browser.post("/login", data={"name": "Ron", "secret": TOKEN})
        assert 'name="reader" maxlength="64" required value="Ron"' in browser.get(f"/instances/{uid}").text


def test_a_wrong_token_is_called_a_token(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path, token=TOKEN)) as browser:
        answer = browser.post("/login", data={"secret": "wrong"})
    assert (answer.status_code, "The token is not right." in answer.text) == (401, True)


def test_who_is_wrong_too_often_waits_even_with_the_right_word(guarded: Browser) -> None:
    answers = [sign_in(guarded, secret="wrong") for _ in range(11)]
    assert answers[:9] == [401] * 9
    assert answers[-1] == 429
    assert sign_in(guarded) == 429
    wrong, right = ({"Authorization": f"Bearer {secret}"} for secret in ("wrong", TOKEN))
    assert guarded.get("/api/instances", headers=wrong).status_code == 429
    assert guarded.get("/api/instances", headers=right).status_code == 200


def test_nobody_says_where_they_come_from(guarded: Browser) -> None:
    for number in range(11):
        guarded.headers["X-Forwarded-For"] = f"192.0.2.{number}"
        answer = sign_in(guarded, secret="wrong")
    assert answer == 429


def test_a_trusted_proxy_says_who_asks(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path, token=TOKEN, trusted_proxies=["127.0.0.0/8"])) as browser:
        for number in range(11):
            browser.headers["X-Forwarded-For"] = f"192.0.2.{number}"
            answer = sign_in(browser, secret="wrong")
    assert answer == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
def test_another_site_changes_nothing(loopback: Browser, headers: dict[str, str]) -> None:
    assert loopback.post("/api/instances/1.2/retry", headers=headers).status_code == 403


def test_a_cookie_without_an_origin_changes_nothing(guarded: Browser) -> None:
    sign_in(guarded)
    assert guarded.post("/api/instances/1.2/retry").status_code == 403
    own = {"Origin": guarded.url}
    assert guarded.post("/api/instances/1.2/retry", headers=own).status_code == 404


def test_a_name_that_was_bound_to_loopback_elsewhere_opens_nothing(loopback: Browser) -> None:
    assert loopback.get("/", headers={"Host": "evil.example:8080"}).status_code == 403
    assert loopback.get("/", headers={"Host": "localhost:8080"}).status_code == 200


def test_a_public_site_offers_upload_and_nothing_that_was_received(tmp_path: Path) -> None:
    site = site_in(tmp_path, public_upload=True)
    uid = add_answer(site, 1).sop_instance_uid
    with browsing(site) as browser:
        assert "Ask for images" in browser.get("/", headers={"Host": "demo.hf.space"}).text
        assert browser.get("/docs").status_code == 200
        hidden = [
            "/api/instances",
            f"/instances/{uid}",
            f"/instances/{uid}/thumbnail",
            "/metrics",
            "/worklist",
        ]
        assert [browser.get(path).status_code for path in hidden] == [404] * len(hidden)
        assert "huggingface.co" in browser.get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/instances/{uid}/download/source", "reader"),
        ("POST", "/instances/{uid}/feedback", "reader"),
        ("POST", "/dicomweb/studies", "reader"),
        ("POST", "/predict", "reader"),
        ("POST", "/instances/{uid}/resend", "administrator"),
        ("POST", "/api/instances/{uid}/retry", "administrator"),
    ],
)
def test_a_viewer_is_told_the_role_that_is_needed(
    viewing: tuple[Browser, str], method: str, path: str, needed: str
) -> None:
    browser, uid = viewing
    answer = browser.request(method, path.format(uid=uid), headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 403
    assert answer.json() == {"detail": f"this needs the role {needed}; Vera has: viewer"}


def test_a_viewer_is_offered_nothing_that_is_refused(viewing: tuple[Browser, str]) -> None:
    browser, uid = viewing
    told = browser.get("/").text + browser.get(f"/instances/{uid}").text
    assert "Vera" in told
    for offered in ("/upload", "/feedback", "/download", "/resend", "/retry"):
        assert offered not in told


@pytest.fixture(scope="module")
def viewing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    """A viewer who has signed in, and an image that has its answer."""
    vera = RITA.model_copy(update={"name": "Vera", "roles": ("viewer",)})
    site = site_in(tmp_path_factory.mktemp("site"), users=(vera,))
    uid = add_answer(site, 1).sop_instance_uid
    with browsing(site) as browser:
        browser.post("/login", data={"name": "Vera", "secret": "correct horse"})
        yield browser, uid
