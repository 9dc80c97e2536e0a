"""The settings: one file and the environment, all problems at once."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.configuration.commented_file import commented_file, field_docstrings
from gateway.configuration.secrets import without_secrets
from gateway.configuration.settings_file import DEFAULT_FILE, load_settings
from gateway.errors import ConfigurationError
from gateway.settings import (
    FolderDestination,
    Section,
    Settings,
    StowDestination,
    Syslog,
)
from tests.support.settings_files import told_of, write

REPOSITORY = Path(__file__).parents[3]
RITA = {"name": "Rita", "password": f"scrypt$15${32 * '0'}${64 * '0'}"}


def test_without_a_file_the_embedded_defaults_serve(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.scp.port == 11112
    assert settings.data_dir == tmp_path / "var"


def test_the_commented_file_states_every_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = REPOSITORY / DEFAULT_FILE
    in_use = load_settings(file)
    assert in_use.data_dir == REPOSITORY / "var"
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    assert load_settings(file) == load_settings()


def test_the_commented_file_states_every_default_meaning_and_unit_of_the_code() -> None:
    assert (REPOSITORY / DEFAULT_FILE).read_text() == commented_file()


def test_every_setting_has_a_docstring() -> None:
    meanings = field_docstrings()
    kinds: list[type] = [*Section.__subclasses__(), Syslog, Settings]
    declared = {kind.__name__: kind for kind in kinds}
    for name in meanings.keys() & declared.keys() - {"Section"}:
        assert meanings[name].keys() >= declared[name].__annotations__.keys() - {"model_config"}, name


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("_seconds", r"[Ss]econds"),
        ("_hours", "Hours"),
        ("_minutes", "Minutes"),
        ("_days", "Days"),
        ("_years", "years"),
        ("_mb", r"\bMB\b"),
        ("_gb", r"\bGB\b"),
        ("_megapixels", "megapixels"),
    ],
)
def test_a_setting_with_a_unit_states_it_in_words(ending: str, word: str) -> None:
    fields = [item for section in field_docstrings().values() for item in section.items()]
    meanings = [meaning for name, meaning in fields if name.endswith(ending)]
    assert meanings
    assert [meaning for meaning in meanings if not re.search(word, meaning)] == []


def test_relative_paths_are_under_data_dir(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, {"data_dir": "here", "model": {"path": "m.pth"}}))
    (outbox,) = settings.destinations
    assert isinstance(outbox, FolderDestination)
    assert outbox.path == tmp_path / "here" / "outbox"
    assert settings.model.path == tmp_path / "here" / "m.pth"


def test_certificates_and_models_are_found_beside_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    for name in ("here.pem", "there.pem", "var/here.pem", "m.pth"):
        (tmp_path / name).touch()
    tls = {"certificate": "there.pem", "key": "here.pem", "ca": "nowhere.pem"}
    settings = load_settings(write(tmp_path, {"scp": {"tls": tls}, "model": {"path": "m.pth"}}))
    assert settings.scp.tls
    assert settings.scp.tls.certificate == tmp_path / "there.pem"
    assert settings.scp.tls.key == tmp_path / "var" / "here.pem"
    assert settings.scp.tls.ca == tmp_path / "var" / "nowhere.pem"
    assert settings.model.path == tmp_path / "m.pth"


def test_data_dir_is_where_its_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "config").mkdir(parents=True)
    beside, above = tmp_path / "site" / "gateway.yaml", tmp_path / "site" / "config" / "gateway.yaml"
    for file in (beside, above):
        file.write_text("data_dir: here")
    monkeypatch.chdir("/")
    assert load_settings(beside).data_dir == load_settings(above).data_dir == tmp_path / "site" / "here"
    beside.write_text("workers: 1")
    assert load_settings(beside).data_dir == tmp_path / "site" / "var"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_DATA_DIR", "there")
    assert load_settings(beside).data_dir == tmp_path / "there"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    wrong = {"scp": {"port": 70000, "ae_title": "A" * 17, "colour": 1}, "modle": {}, "results": {"sr": "x"}}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path, wrong))
    told = str(caught.value).splitlines()
    keys = {line.split(":")[0] for line in told}
    assert keys == {"scp.port", "scp.ae_title", "scp.colour", "modle", "results.sr"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"scp": {"trusted_proxies": ["127.0.0.1"]}}, "scp.peers"),
        ({"scp": {"trusted_proxies": ["haproxy.example"]}}, "scp.trusted_proxies"),
        ({"scp": {"bind": "0.0.0.0"}}, "scp.peers"),  # noqa: S104 - refused is what is tested
        ({"web": {"bind": "::"}}, "web.token"),
        ({"web": {"time_zone": "Europe/Nowhere"}}, "must be a time zone of this machine"),
        ({"web": {"show_patient": "signed-in"}}, "web.show_patient: signed-in shows nobody anything"),
        ({"web": {"show_patient": True}}, "web.show_patient: must be false or 'signed-in'"),
        ({"web": {"users": [RITA, RITA]}}, "web.users: the name 'Rita' is used more than once"),
        ({"web": {"users": [RITA | {"roles": []}]}}, "must name a role: viewer, reader or administrator"),
        ({"web": {"users": [RITA | {"roles": "redaer"}]}}, "did you mean 'reader'"),
        ({"routes": [{"calling_ae_title": "*", "to": ["nowhere"]}]}, "no destination is named 'nowhere'"),
        ({"routes": [{"calling_ae_title": "*", "to": ["outbox", "outbox"]}]}, "more than once"),
        ({"database": "mysql://x"}, "database:"),
        ({"database": "postgresql://u@h:port/x"}, "database:"),
        ({"destinations": [{"name": "n" * 65, "kind": "folder", "path": "x"}]}, "name"),
        ({"shutdown_seconds": float("inf")}, "shutdown_seconds"),
        ({"delivery": {"give_up_after_hours": 1e12}}, "give_up_after_hours"),
        ({"destinations": [{"name": "a", "kind": "fax"}]}, "destinations"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_settings(write(tmp_path, content))


@pytest.mark.parametrize("text", ["scp: [", "- just\n- a list", "\x00"])
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"settings\.yaml"):
        load_settings(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read: no such settings file"):
        load_settings(tmp_path / "absent.yaml")


def test_the_first_matching_route_counts(tmp_path: Path) -> None:
    destinations = [{"name": n, "kind": "folder", "path": n} for n in ("a", "b")]
    routes = [{"calling_ae_title": "MOD*", "to": ["b"]}, {"calling_ae_title": "*", "to": ["a", "b"]}]
    settings = load_settings(write(tmp_path, {"destinations": destinations, "routes": routes}))
    assert settings.destinations_for("MODALITY1") == ("b",)
    assert settings.destinations_for("PACS") == ("a", "b")


def test_only_asterisk_and_question_mark_are_wildcards(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, {"routes": [{"calling_ae_title": "CT[12]?", "to": ["outbox"]}]}))
    assert settings.destinations_for("CT[12]A") == ("outbox",)
    assert settings.destinations_for("CT1A") == ()


def stow(**changes: object) -> dict[str, object]:
    server = {"name": "the archive", "kind": "stow", "url": "https://pacs/dicom-web"} | changes
    return {"destinations": [server], "routes": []}


def test_a_secret_comes_from_the_environment_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_THE_ARCHIVE_BEARER_TOKEN", "hidden")
    settings = load_settings(write(tmp_path, stow(ca="ca.pem")))
    (server,) = settings.destinations
    assert isinstance(server, StowDestination)
    assert server.bearer_token is not None
    assert server.bearer_token.get_secret_value() == "hidden"
    assert server.ca == tmp_path / "var" / "ca.pem"
    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password": "p"}, "username"),
        ({"username": "u", "bearer_token": "t"}, "not both"),
        ({"url": "ftp://pacs/dicom-web"}, "url"),
        ({"url": "https://user:secret@pacs/dicom-web"}, "url"),
    ],
)
def test_a_server_that_cannot_be_addressed_is_refused(
    tmp_path: Path, wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_settings(write(tmp_path, stow(**wrong)))


WRONG = """
scp:
  prot: 4
  port: 8080
  ae_title: AAAAAAAAAAAAAAAAAAAAA
  bind: 0.0.0.0
  peers: [{ae_title: X, host: ""}]
  tls: {certificate: no.pem, key: no.key}
web:
  port: 8080
  token: short
model: {path: nowhere, threshold: 2}
select: {min_age_years: 5, max_age_years: 2}
destinations:
  - {name: a, kind: dicm, host: x}
  - {name: b, kind: dicom, ae_title: Y, host: z, prot: 5}
routes:
  - {calling_ae_title: "*", to: [a, b, c]}
  - {calling_ae_title: "*", two: [a]}
workers: many
workers: 0
database: postgresql://u:p@ss@h/db
modle: {}
delivery: {first_retry_seconds: 50, longest_retry_seconds: 2}
"""
TOLD = {
    "scp.prot": (3, "did you mean 'port'"),
    "scp.ae_title": (5, "16 characters"),
    "scp.peers.0.host": (7, "must not be empty"),
    "scp.tls.certificate": (8, "does not exist"),
    "scp.tls.key": (8, "does not exist"),
    "web.port": (10, "scp.port"),
    "web.token": (11, "16 characters"),
    "model.path": (12, "does not exist"),
    "model.threshold": (12, "must be 1 or less, not 2"),
    "select.min_age_years": (13, "more than select.max_age_years"),
    "destinations.0": (15, "folder, dicom, stow, hl7 or fhir"),
    "destinations.1.port": (16, "must be stated"),
    "destinations.1.prot": (16, "did you mean 'port'"),
    "routes.0.to": (18, "no destination is named 'c'; there are: a, b"),
    "routes.1.to": (19, "must be stated"),
    "routes.1.two": (19, "did you mean 'to'"),
    "workers": (20, ""),
    "database": (22, "%40"),
    "modle": (23, "did you mean 'model'"),
    "delivery.first_retry_seconds": (24, "more than delivery.longest_retry_seconds"),
}


def test_a_check_tells_everything_that_is_wrong_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(WRONG)
    told = told_of(file)
    assert {line.split(":")[0] for line in told} == set(TOLD)
    for key, (number, words) in TOLD.items():
        (line, *_) = [each for each in told if each.startswith(f"{key}:")]
        assert f"line {number})" in line
        assert words in line
    assert "p@ss" not in str(told)
    assert "short" not in str(told)


def test_a_clients_key_is_found_beside_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "client.pem").write_text("")
    ehr = {"name": "ehr", "kind": "fhir", "url": "https://ehr.example/fhir", "client_key": "client.pem"}
    ehr |= {"token_url": "https://ehr.example/token", "client_id": "gateway"}
    settings = load_settings(
        write(tmp_path, {"destinations": [ehr], "routes": [{"to": ["ehr"]}], "results": {"fhir": {}}})
    )
    assert settings.destinations[0].client_key == tmp_path / "client.pem"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "bind",
    [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::", "::")],  # noqa: S104
)
def test_two_listeners_do_not_share_a_port(bind: tuple[str, str]) -> None:
    peers = [{"ae_title": "A", "host": "h"}]
    scp = {"bind": bind[0], "port": 4000, "peers": peers}
    with pytest.raises(ValueError, match=r"web\.port"):
        Settings.model_validate({"scp": scp, "web": {"bind": bind[1], "port": 4000, "token": "x" * 16}})


def test_a_file_that_is_no_yaml_is_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("web:\n  token: 'hidden\n\tpassword: hidden too")
    (told,) = told_of(file)
    assert "line" in told
    assert "hidden" not in told


@pytest.mark.parametrize(
    ("database", "url"),
    [
        ("postgresql://u:p@h:5433/db?sslmode=require", "postgresql+psycopg://u:p@h:5433/db?sslmode=require"),
        (
            "postgresql://u:p@h1:5433,h2/db?sslmode=require",
            "postgresql+psycopg://u:p@/db?host=h1%2Ch2&port=5433%2C5432&sslmode=require",
        ),
        (
            "postgresql://u@[::1]:5433,[fd00::2]:5434/db",
            "postgresql+psycopg://u@/db?host=%3A%3A1%2Cfd00%3A%3A2&port=5433%2C5434",
        ),
    ],
)
def test_a_database_may_have_several_hosts(tmp_path: Path, database: str, url: str) -> None:
    assert Settings(data_dir=tmp_path, database=database).database_url == url


@pytest.mark.parametrize("hosts", ["h1:x,h2", "h1,h2:0", "h1:70000,h2", "[::1,h2"])
def test_each_host_of_a_database_needs_a_port_that_there_is(tmp_path: Path, hosts: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        Settings(data_dir=tmp_path, database=f"postgresql://u@{hosts}/db")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:SECRET@h/db",
        "postgresql://u:SECRET%40SECRET@h:5432/db",
        "postgresql://h/db?user=u&password=SECRET",
        "postgresql://u@h/db?sslmode=require&sslpassword=SECRET",
        "postgresql://u@h/db?passfile=SECRET&sslkey=SECRET&service=SECRET&options=SECRET",
        "postgresql://u:SECRET@[::1]:5432/db?password=SECRET",
        "postgresql://u:SECRET:SECRET/@h/db",
        "postgresql://u:SECRET@h:port/db",
        "postgresql://u:SECRET@h1:5432,h2/db",
    ],
)
def test_no_form_of_a_database_shows_its_secret(url: str) -> None:
    shown = without_secrets({"database": url, "web": {"token": "SECRET", "users": [{"password": "SECRET"}]}})
    assert "SECRET" not in str(shown)
    assert shown["database"].startswith("postgresql://")
    assert without_secrets({"database": "sqlite"}) == {"database": "sqlite"}
