"""Settings in the environment: they win over the file, and every problem names its variable."""

from pathlib import Path

import pytest

from gateway.configuration.settings_file import load_settings
from gateway.errors import ConfigurationError
from tests.support.settings_files import told_of, write


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SCP__PORT", "4242")
    settings = load_settings(write(tmp_path, {"scp": {"port": 1, "ae_title": "MINE"}}))
    assert (settings.scp.port, settings.scp.ae_title) == (4242, "MINE")


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CONFIG", str(write(tmp_path, {"workers": 3})))
    assert load_settings().workers == 3


def test_a_variable_that_is_not_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DESTINATIONS", "outbox")
    with pytest.raises(ConfigurationError, match="destinations"):
        load_settings()


def test_a_problem_of_the_environment_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SCP__PORT", "many")
    monkeypatch.setenv("GATEWAY_DESTINATIONS", "outbox")
    told = told_of(write(tmp_path, {"scp": {"port": 1}, "workers": 0}))
    assert [line.split(":")[0] for line in told] == ["destinations", "scp.port", "workers"]
    assert "from GATEWAY_DESTINATIONS in the environment" in told[0]
    assert "from GATEWAY_SCP__PORT in the environment" in told[1]


def test_a_variable_that_is_no_json_is_told_at_any_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SCP__PEERS", "MODALITY1")
    monkeypatch.setenv("GATEWAY_SCP__TRUSTED_PROXIES", "10.1.2.3")
    monkeypatch.setenv("GATEWAY_SCP__PORT", "many")
    told = told_of(write(tmp_path, {}))
    assert [line.partition(" (")[0] for line in told] == [
        "scp.peers: must hold JSON",
        "scp.trusted_proxies: must hold JSON",
        "scp.port: must be a whole number, not 'many'",
    ]
    assert "from GATEWAY_SCP__PEERS in the environment" in told[0]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "must not be empty"),
        ("$HOME/gateway", "$HOME is not replaced; write the value itself"),
        ("~nobody-here/gateway", "~nobody-here is nobody's home on this machine"),
    ],
)
def test_a_path_of_the_environment_that_cannot_be_meant_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    monkeypatch.setenv("GATEWAY_DATA_DIR", value)
    (told,) = told_of(write(tmp_path, {}))
    assert told.startswith(f"data_dir: {problem}")


def test_a_secret_of_the_environment_may_begin_with_a_dollar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_WEB__TOKEN", "$abcdefghijklmnop")
    settings = load_settings(write(tmp_path, {}))
    assert settings.web.token is not None


def test_null_in_the_environment_takes_a_value_of_the_file_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_MODEL__THREADS", "null")
    monkeypatch.setenv("GATEWAY_MODEL__PROFILE", "null")
    model = load_settings(write(tmp_path, {"model": {"threads": 3, "profile": "profiles/a"}})).model
    assert (model.threads, model.profile) == (None, None)


def test_settings_that_fit_together_only_with_the_environment_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_WEB__TOKEN", "0123456789abcdef")
    told = told_of(write(tmp_path, {"web": {"bind": "0.0.0.0"}, "workers": 0}))  # noqa: S104
    assert [line.split(":")[0] for line in told] == ["workers"]
