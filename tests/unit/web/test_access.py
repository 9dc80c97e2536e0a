"""Secrets, sessions and limits."""

import time
from pathlib import Path

import pytest

from gateway.settings import User, Web
from gateway.web.security.passwords import hash_password, is_password
from gateway.web.security.rate_limit import RateLimit
from gateway.web.security.sessions import Sessions

RITA = User(name="Rita", password=hash_password("correct horse"))


def test_a_password_is_known_again_and_nothing_else_is() -> None:
    assert is_password("correct horse", RITA.password)
    assert not is_password("correct  horse", RITA.password)
    assert hash_password("correct horse") != RITA.password


def test_a_session_ends_with_the_password_it_began_with(tmp_path: Path) -> None:
    key = tmp_path / "key"
    cookie = Sessions(Web(users=(RITA,)), key).begin("Rita")
    assert Sessions(Web(users=(RITA,)), key).reader(cookie) == "Rita"
    changed = User(name="Rita", password=hash_password("another one"))
    assert Sessions(Web(users=(changed,)), key).reader(cookie) is None
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("forged", ["", "a.b", "a.b.c", "UmlsYQ==.99999999999.00", "=.1.ä"])
def test_a_forged_cookie_is_nobodys(tmp_path: Path, forged: str) -> None:
    assert Sessions(Web(users=(RITA,)), tmp_path / "key").reader(forged) is None


def test_a_session_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(Web(users=(RITA,), session_hours=1), tmp_path / "key")
    cookie = sessions.begin("Rita")
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert sessions.reader(cookie) is None


def test_a_bucket_empties_for_one_client_and_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    limit = RateLimit(2)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 30]
    assert limit.take("b") == 0
    clock[0] += 31
    assert limit.take("a") == 0
    assert limit.is_exhausted("a")
