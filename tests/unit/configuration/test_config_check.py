"""`gateway config check` lists the problems of all stages in one run: each with place, cause and remedy."""

import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard, get_args

import pytest
from pydantic import BaseModel, SecretStr

from gateway.configuration.problems import SECRET_KEYS
from gateway.configuration.settings_file import check_settings, load_settings
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.yaml_files.yaml_file import MOST_CHARACTERS, MOST_VALUES


def checked(tmp_path: Path, text: str) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings."""
    file, warnings = tmp_path / "settings.yaml", list[str]()
    file.write_text(text)
    try:
        check_settings(file, warnings.append)
    except ConfigurationError as error:
        return str(error).splitlines(), warnings
    return [], warnings


def test_every_section_that_is_no_yaml_is_named_and_the_others_are_checked(tmp_path: Path) -> None:
    text = "\n".join(
        (
            "scp:",
            "\tport: 11112",
            "web: {port: 8080",
            "workers: many",
            "destinations",
            "log: {file_mb: 'x}",
            "modle: {}",
            "select:",
            "  min_age_years: 5: 6",
        )
    )
    errors, warnings = checked(tmp_path, text)
    start = f"{tmp_path}/settings.yaml: is not YAML: line "
    assert [error.removeprefix(start)[:2] for error in errors if error.startswith(start)] == [
        *("2:", "3:", "5:", "6:", "9:")
    ]
    assert "indent with spaces" in errors[0]
    assert [error.split(":")[0] for error in errors[5:]] == ["workers", "modle"]
    assert warnings == []


def test_a_problem_behind_another_problem_is_told(tmp_path: Path) -> None:
    text = """
destinations:
  - {name: web, kind: stow, url: "https://a/b", timeout_seconds: x, password: p}
routes: [{calling_ae_title: "*", to: [web]}]
audit: {syslog: {port: 0, host: h, certificate: c.pem}}
worker: {sandboxes: many}
"""
    errors, _ = checked(tmp_path, text)
    told = {error.split(":")[0]: error for error in errors}
    assert told.keys() == {
        *("destinations.0.timeout_seconds", "destinations.0", "audit.syslog.port", "audit.syslog"),
        "worker.sandboxes",
    }
    assert "state the username" in told["destinations.0"]
    assert "line 5" in told["audit.syslog"]
    assert "'auto' or must be a whole number, not 'many'" in told["worker.sandboxes"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("results: {sr: comprehensive3d}", "results.sr: must be 'comprehensive-3d'|mean 'comprehensive-3d'"),
        ("destinations: [{name: a, kind: dicm}]", "destinations.0: kind must be|did you mean 'dicom'"),
        ("routes: [{calling_ae_title: '*', to: [outbax]}]", "routes.0.to: no destination|mean 'outbox'"),
        ("port: 4", "port: there is no such setting; did you mean 'scp.port' or 'web.port'?"),
        (
            "scp: {max_asociations: 4}",
            "scp.max_asociations: there is no such setting|mean 'max_associations'",
        ),
        ("web: {tls: {certificate: a, key: b}}", "web.tls.certificate: |does not exist; relative paths are"),
        ("data_dir: settings.yaml", "data_dir: |is a file; name a folder"),
        ("data_dir: settings.yaml/x", "data_dir: |settings.yaml is a file; name a folder"),
        (
            "routes: [{calling_ae_title: 'SEVENTEENLETTERS*1', to: [outbox]}]",
            "routes.0.calling_ae_title: |it has more than 16 characters",
        ),
        ("routes: [{calling_ae_title: ' A', to: [outbox]}]", "routes.0.calling_ae_title: |remove blanks"),
        ("routes: [{calling_ae_title: 'Ä', to: [outbox]}]", "routes.0.calling_ae_title: |printable ASCII"),
        (
            "routes: [{when: Modalty == 'DX', to: [outbox]}]",
            "routes.0.when: column 1: there is no attribute 'Modalty'; did you mean 'Modality'?",
        ),
        ("routes: [{when: 'Rows > x', to: [outbox]}]", "routes.0.when: column 8: compare Rows with"),
        ("routes: [{when: Rows > (1, to: [outbox]}]", "routes.0.when: column 8: '(' was never closed"),
        (
            "destinations: [{name: ris, kind: hl7, host: h, port: 2575}]",
            "destinations.0: |'ris' gets nothing, since results.hl7 is null; state it",
        ),
        (
            "destinations: [{name: ehr, kind: fhir, url: 'http://h/fhir'}]",
            "destinations.0: |'ehr' gets nothing, since results.fhir is null; state it",
        ),
        ("delivery: {withdrawals: {}}", "delivery.withdrawals: |withdraws nothing"),
        ("results: {fhir: {patient_system: mrn}}", "results.fhir.patient_system: must be a URI, as"),
        (
            "destinations: [{name: e, kind: fhir, url: 'http://h', token_url: 'http://h', client_id: c}]",
            "destinations.0: state client_secret or client_key, and not both",
        ),
        (
            "destinations: [{name: e, kind: fhir, url: 'http://h', client_id: c}]",
            "destinations.0: state the token_url that the client belongs to",
        ),
        ("results: {hl7: {processing_id: X}}", "results.hl7.processing_id: must be 'P', 'T' or 'D', not 'X'"),
        ("results: {hl7: {sending_facilty: X}}", "results.hl7.sending_facilty: |mean 'sending_facility'"),
        ("scp: {reject_below_disk_mb: 900}", "scp.reject_below_disk_mb: is more than scp.min_free_disk_mb"),
    ],
)
def test_an_error_names_key_cause_remedy_and_line(tmp_path: Path, text: str, told: str) -> None:
    errors, _ = checked(tmp_path, text)
    key, _, remedy = told.partition("|")
    (error,) = [error for error in errors if error.startswith(key)]
    assert remedy in error
    assert error.endswith(f"({tmp_path}/settings.yaml, line 1)")


DOUBTFUL = """
scp:
  peers: [{ae_title: MODALITY1, host: a}, {ae_title: PACS, host: b}, {ae_title: PACS, host: b}]
  max_associations: 10
  max_associations_per_peer: 20
destinations:
  - {name: pacs, kind: dicom, ae_title: ARCHIVE, host: b, port: 104, storage_commitment: true}
  - {name: again, kind: dicom, ae_title: ARCHIVE, host: b, port: 104}
  - {name: me, kind: dicom, ae_title: CXR_GATEWAY, host: 127.0.0.1, port: 11112}
routes:
  - {calling_ae_title: MODALTY1, to: [again]}
  - {calling_ae_title: "MODALITY*", to: [pacs]}
  - {calling_ae_title: "MODALITY1", to: [pacs]}
model: {engine: torch, precision: bfloat16}
"""
DOUBTS = {
    "scp.peers.1": (3, "for PACS no route leads anywhere"),
    "scp.peers.2": (3, "is stated more than once"),
    "scp.max_associations_per_peer": (5, "no effect beyond scp.max_associations, 10"),
    "destinations.0": (7, "leads to the same place"),
    "destinations.0.storage_commitment": (7, "ARCHIVE is not among scp.peers"),
    "destinations.1": (8, "leads to the same place"),
    "destinations.2": (9, "no route leads to 'me'"),
    "destinations.2.port": (9, "is this gateway"),
    "routes": (10, "STOW-RS"),
    "routes.0.calling_ae_title": (11, "matches no sender"),
    "routes.2": (13, "is never reached, since routes.1 ('MODALITY*') takes"),
    "model.precision": (14, "no effect with model.engine torch"),
}


def test_what_works_perhaps_not_as_intended_is_a_warning(tmp_path: Path) -> None:
    errors, warnings = checked(tmp_path, DOUBTFUL)
    assert errors == []
    assert {line.split(":")[0] for line in warnings} == set(DOUBTS)
    for key, (number, words) in DOUBTS.items():
        assert [line for line in warnings if line.startswith(f"{key}: ") and words in line], key
        assert all(f"line {number})" in line for line in warnings if line.startswith(f"{key}: "))
    assert "did you mean 'MODALITY1'?" in next(line for line in warnings if line.startswith("routes.0"))


def test_a_proxy_among_the_peers_is_told(tmp_path: Path) -> None:
    proxy = "{ae_title: A, host: 10.1.2.8}, {ae_title: B, host: 10.1.5.3}, {ae_title: C, host: modality}"
    text = f"scp:\n  trusted_proxies: [10.1.2.8/30]\n  peers: [{proxy}]"
    errors, warnings = checked(tmp_path, text)
    assert errors == []
    (warning,) = [line for line in warnings if line.startswith("scp.peers")]
    assert warning.startswith(
        "scp.peers.0.host: 10.1.2.8 is a proxy of scp.trusted_proxies; name the sender's"
    )


CONDITIONS = """
scp: {peers: [{ae_title: MODALITY1, host: a}]}
web: {enabled: false}
destinations: [{name: a, kind: folder, path: a}, {name: b, kind: folder, path: b}]
routes:
  - {when: Modality == 'DX', to: [a]}
  - {when: Modality == 'CR', to: [b]}
  - {calling_ae_title: MODALITY1, when: Modality == 'DX', to: [b]}
"""


def test_routes_with_conditions_leave_gaps_and_cover_their_like(tmp_path: Path) -> None:
    errors, (gap, idle) = checked(tmp_path, CONDITIONS)
    assert errors == []
    assert "for MODALITY1, where no condition (when) holds, no route leads anywhere" in gap
    assert idle.startswith("routes.2: is never reached, since routes.0 ('*') takes 'MODALITY1'")
    assert checked(tmp_path, f"{CONDITIONS.rsplit('  -', 1)[0]}  - {{to: [a]}}") == ([], [])


def test_every_faulty_condition_is_told_with_its_line_and_none_lets_the_gateway_start(tmp_path: Path) -> None:
    routes = ["  - to: [outbox]", "    when: |", "      Modalty == 'DX'", "      and Row > 1"]
    text = "\n".join(["routes:", *routes, "  - {when: Rows >, to: [outbox]}"])
    errors, _ = checked(tmp_path, text)
    assert [error.split(": ")[0] for error in errors] == ["routes.0.when", "routes.1.when"]
    assert "line 1, column 1: there is no attribute 'Modalty'" in errors[0]
    assert "line 2, column 5: there is no attribute 'Row'" in errors[0]
    assert errors[0].endswith("line 3)")
    assert errors[1].endswith("line 6)")
    with pytest.raises(ConfigurationError, match=r"routes\.1\.when: column"):
        load_settings(tmp_path / "settings.yaml")


def test_a_file_without_doubts_has_no_warnings(tmp_path: Path) -> None:
    assert checked(tmp_path, "workers: 2") == ([], [])


def test_warnings_and_errors_are_told_together(tmp_path: Path) -> None:
    errors, warnings = checked(tmp_path, "workers: 0\nroutes: []")
    assert [error.split(":")[0] for error in errors] == ["workers"]
    assert [warning.split(":")[0] for warning in warnings] == ["routes", "routes", "destinations.0"]


def test_a_variable_of_the_environment_that_is_no_setting_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_WEB_TOKEN", "hidden")
    monkeypatch.setenv("GATEWAY_OUTBOX_PASSWORD", "hidden")
    monkeypatch.setenv("GATEWAY_WEB__TOKEN", "0123456789abcdef")
    _, (warning,) = checked(tmp_path, "workers: 2")
    assert warning.startswith("GATEWAY_WEB_TOKEN: is in the environment and no setting; remove it; ")
    assert warning.endswith("did you mean 'GATEWAY_WEB__TOKEN'?")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: {kind: remote}", "model.urls: name the model servers"),
        ("model: {kind: remote, urls: ['gpu1:8000']}", "model.urls.0: "),
        ("model: {kind: remote, urls: ['http://a:1'], certificate: a.pem}", "model: state both certificate"),
        ("model: {kind: remote, urls: ['http://a:1'], ca: nowhere.pem}", "model.ca: "),
        (
            "model: {kind: remote, protocol: grpc, urls: ['http://a:1/v2']}",
            "model.urls: http://a:1/v2 has a path",
        ),
    ],
)
def test_problems_of_a_remote_model_are_told(tmp_path: Path, text: str, told: str) -> None:
    errors, _ = checked(tmp_path, text)
    assert [error for error in errors if error.startswith(told)], errors


def test_grpc_without_its_packages_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "model: {kind: remote, protocol: grpc, urls: ['http://a:1']}"
    assert checked(tmp_path, text) == ([], [])
    monkeypatch.setitem(sys.modules, "grpc", None)
    (error,), _ = checked(tmp_path, text)
    assert error.startswith("model.protocol: grpc needs grpcio and protobuf")
    assert "pip install 'cxr-gateway[grpc]'" in error


def test_settings_of_the_other_kind_of_model_are_doubtful(tmp_path: Path) -> None:
    remote = "model: {kind: remote, urls: ['http://a:1'], engine: torch, precision: bfloat16}"
    errors, (warning,) = checked(tmp_path, remote)
    assert errors == []
    assert warning.startswith("model.engine: has no effect with model.kind remote")
    _, (warning,) = checked(tmp_path, "model: {urls: ['http://a:1']}")
    assert warning.startswith("model.urls: has no effect with model.kind local")


OWN_FOLDER = "is the gateway's own folder; name another"
SERVER = '{name: a b, kind: stow, url: "http://h/x", username: u, password: "${PW}"}'


def repeated(form: str) -> str:
    """Return a file of 30 lines, each of which repeats the one before twice: 2 to the 30th values."""
    lines = [f"x{number}: &x{number} {form.format(f'x{number - 1}')}" for number in range(1, 30)]
    return "\n".join(["x0: &x0 {a: 1}", *lines])


NOT_MEANT = {
    "web: {token: '${A_TOKEN_TOO_LONG}'}": "web.token: ${A_TOKEN_TOO_LONG} is not replaced; remove the line, "
    "and set GATEWAY_WEB__TOKEN",
    "data_dir: $HOME/x": "data_dir: $HOME is not replaced; remove the line, and set GATEWAY_DATA_DIR",
    f"destinations: [{SERVER}]": "destinations.0.password: ${PW} is not replaced; remove the line, "
    "and set GATEWAY_A_B_PASSWORD",
    "audit: {files: true}\nscp: {peers: [{ae_title: '${TITLE}', host: h}]}": "scp.peers.0.ae_title: ${TITLE} "
    "is not replaced; write the value itself",
    'data_dir: "a\\0b"': "data_dir: must hold no NUL",
    'data_dir: "\\ud800"': "data_dir: must hold no half of a surrogate pair",
    "scp:": "scp: is empty; state a value, or remove the line",
    "routes: ~": "routes: is empty; state a value, or remove the line",
    "scp: {port: }": "scp.port: is empty; state a value, or remove the line",
    "destinations: []": "routes: must be stated; the default leads to 'outbox', and no destination has this",
    "destinations: [{name: outbox, kind: folder, path: results/x}]": OWN_FOLDER,
    "store: {kind: folder, path: s}\ndestinations: [{name: outbox, kind: folder, path: s/spool}]": OWN_FOLDER,
    "scp: {peers: [{ae_title: A, host: 'http://10.1.2.3'}]}": "scp.peers.0.host: must be a host name or an",
    "scp: {peers: [{ae_title: A, host: '10.1.2.3:104'}]}": "scp.peers.0.host: must be a host name or an",
    'destinations: [{name: "a\\nb", kind: folder, path: x}]': "destinations.0.name: must be printable",
    "data_dir: ~nobody-here/data": "data_dir: ~nobody-here is nobody's home on this machine",
    "model: {path: ~nobody-here/model}": "model.path: ~nobody-here is nobody's home on this machine",
    "data_dir: ''": "data_dir: must not be empty",
    'destinations: [{name: outbox, kind: folder, path: ""}]': "destinations.0.path: must not be empty",
    'data_dir: "a\\nb"': "data_dir: must be printable, on one line",
    "scp: {port: true}": "scp.port: must be a number, not true",
    "shutdown_seconds: true": "shutdown_seconds: must be a number, not true",
    "scp:\n  port: 1\x01": "is not YAML: line 2: it holds a control character",
    "a: " + "[" * 2000 + "]" * 2000: "is not YAML: its lists are nested too deeply",
    "web: [\na: " + "[" * 2000 + "]" * 2000: "is not YAML: its lists are nested too deeply",
    "scp: &a {peers: *a}": "is not YAML: line 1: found an anchor that refers to itself",
    "scp: {port: !!float '" + "9:" * 300 + "9'}": "is not YAML: line 1: found a value that is no float",
    "scp: {port: !!bool maybe}": "is not YAML: line 1: found a value that is no bool",
    "scp: {port: !!timestamp x}": "is not YAML: line 1: found a value that is no timestamp",
    "a:\nscp: {port: " + "9" * 5000 + "}": "is not YAML: line 2: found a value that is no int",
    repeated("[*{0}, *{0}]"): "is no settings file: with what its aliases repeat it holds more than",
    repeated("{{<<: [*{0}, *{0}]}}"): "is no settings file: with what its aliases repeat it holds more than",
    "a: [" + "1," * MOST_VALUES + "]": "is no settings file: with what its aliases repeat it holds more than",
    "#" * (MOST_CHARACTERS + 1): "is no settings file: it has more than",
}


@pytest.mark.parametrize("text", NOT_MEANT)
def test_texts_that_cannot_be_meant_are_told_before_anything_starts(tmp_path: Path, text: str) -> None:
    errors, _ = checked(tmp_path, text)
    found = [error for error in errors if NOT_MEANT[text] in error]
    assert len(found) == 1, errors
    with pytest.raises(ConfigurationError, match=re.escape(found[0])):
        load_settings(tmp_path / "settings.yaml")


def test_what_may_never_end_is_no_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    os.mkfifo(file)
    with pytest.raises(ConfigurationError, match="is a pipe with a name"):
        load_settings(file)
    with pytest.raises(ConfigurationError, match="has more than"):
        load_settings(Path("/dev/zero"))


def test_a_command_may_write_the_settings() -> None:
    """As by `--config <(command)`; the null device leaves every default."""
    assert load_settings(Path(os.devnull)).scp.port == Settings().scp.port
    reading, writing = os.pipe()
    os.write(writing, b"scp: {port: 11113}")
    os.close(writing)
    assert load_settings(Path(f"/dev/fd/{reading}")).scp.port == 11113
    os.close(reading)


def test_plain_values_are_what_people_mean_by_them(tmp_path: Path) -> None:
    """By YAML 1.1 they are 4682, false, 7, a date, and 750."""
    file = tmp_path / "settings.yaml"
    file.write_text(
        """
scp: {port: 011112, ae_title: NO, peers: [{ae_title: 007, host: pacs}]}
model: {kind: remote, urls: ["http://gpu:1"], model_version: 2026-11-01}
sources: [{name: a, kind: dicom, ae_title: A, host: pacs, port: 104, schedule: {sweep_at: 12:30}}]
results: {pdf: yes, lung_outline: off}
web: {show_patient: no}
"""
    )
    settings = load_settings(file)
    assert (settings.scp.port, settings.scp.ae_title, settings.scp.peers[0].ae_title) == (11112, "NO", "007")
    assert settings.model.model_version == "2026-11-01"
    assert settings.sources[0].schedule.sweep_at == "12:30"
    assert settings.web.show_patient is False
    assert (settings.results.pdf, settings.results.lung_outline) == (True, False)


@pytest.mark.parametrize("port", ["10:30", "0x2b68", "0o25550"])
def test_a_number_of_another_kind_is_no_number(tmp_path: Path, port: str) -> None:
    errors, _ = checked(tmp_path, f"scp: {{port: {port}}}")
    assert len(errors) == 1
    assert errors[0].startswith(f"scp.port: must be a whole number, not '{port}' (")


def test_no_problem_quotes_a_secret(tmp_path: Path) -> None:
    text = "store: {kind: s3, bucket: images, access_key_id: 31415926, secret_access_key: 27182818}"
    errors, _ = checked(tmp_path, text)
    assert [error.partition(" (")[0] for error in errors] == [
        "store.access_key_id: must be text, in quotes",
        "store.secret_access_key: must be text, in quotes",
    ]


def test_every_secret_setting_is_known_as_one() -> None:
    def secrets(model: type[BaseModel]) -> set[str]:
        fields = [(name, types_in(field.annotation)) for name, field in model.model_fields.items()]
        below = (secrets(each) for _, types in fields for each in types if is_section(each))
        return {name for name, types in fields if SecretStr in types}.union(*below)

    def types_in(annotation: object) -> set[object]:
        return {annotation}.union(*(types_in(each) for each in get_args(annotation)))

    def is_section(each: object) -> TypeGuard[type[BaseModel]]:
        return isinstance(each, type) and issubclass(each, BaseModel)

    assert secrets(Settings) <= SECRET_KEYS


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "::1", "fe80::1%eth0", "pacs.hospital.example", "pacs_1", "röntgen.example"]
)
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    errors, _ = checked(tmp_path, f"scp: {{peers: [{{ae_title: A, host: '{host}'}}]}}")
    assert errors == []


def test_aliases_of_aliases_are_followed_once(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in pairwise("abcd"):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    errors, _ = checked(tmp_path, "\n".join(lines))
    assert [error.split(":")[0] for error in errors] == list("abcd")


def test_a_dollar_that_is_no_variable_stays(tmp_path: Path) -> None:
    text = r"""routes: [{when: "matches(StationName, r'^ROOM[0-9]+$')", to: [outbox]}, {to: [outbox]}]"""
    assert checked(tmp_path, text) == ([], [])


def test_a_folder_that_this_user_cannot_write_is_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allowed(path: Path, mode: int) -> bool:
        return Path(path).exists() and mode == os.F_OK

    monkeypatch.setattr("gateway.configuration.agreement.os.access", allowed)
    _, warnings = checked(tmp_path, f"data_dir: {tmp_path}/new/folder")
    assert any(each.startswith(f"data_dir: this user cannot write to {tmp_path}") for each in warnings)
