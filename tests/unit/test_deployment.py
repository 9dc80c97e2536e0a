"""Container, compose file and service unit agree with settings, commands, files and each other.

No container engine runs them here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.commands.app import COMMANDS
from gateway.configuration.problems import WORDING
from gateway.configuration.settings_file import check_settings, load_settings
from gateway.settings import DicomDestination, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
GATEWAY, ORTHANC = COMPOSE["services"]["gateway"], COMPOSE["services"]["orthanc"]
UNIT = ROOT / "deploy" / "cxr-gateway.service"
INSTALLATION = (ROOT / "docs" / "operations" / "install.md").read_text()
VARIABLES = {f"GATEWAY_{name.replace('.', '__').upper()}" for name in WORDING.names()}
NO_SETTINGS = {"GATEWAY_CONFIG", "GATEWAY_ROLE"}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Return the settings of the gateway in the compose file, without a warning."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GATEWAY_WEB__TOKEN", "0123456789abcdef")
    file, warnings = ROOT / "config" / "compose.yaml", list[str]()
    check_settings(file, warnings.append)
    assert warnings == []
    return load_settings(file)


def published(service: dict[str, Any]) -> dict[int, int]:
    """Return the ports of the host, which are on loopback, by the ports of the container."""
    ports = [re.fullmatch(r"127\.0\.0\.1:(\d+):(\d+)", each) for each in service["ports"]]
    return {int(each[2]): int(each[1]) for each in ports if each}


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """Return the sources of mounts by their targets."""
    return {target: source for source, target in (each.split(":")[:2] for each in service["volumes"])}


def address(service: dict[str, Any]) -> str:
    (network,) = service["networks"].values()
    return str(network["ipv4_address"])


def test_images_are_pinned() -> None:
    images = [*re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE), ORTHANC["image"]]
    assert [image for image in images if not re.search(r":\d+\.\d+\.\d+", image)] == []


def test_the_image_copies_what_exists_and_runs_a_command() -> None:
    copied = re.findall(r"^COPY --chown=gateway (.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert {"pyproject.toml", "gateway", "config"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []
    (role,) = re.findall(r"GATEWAY_ROLE=(\w+)", DOCKERFILE)
    assert {role, "health"} <= COMMANDS.keys()


def test_the_image_has_the_extras_that_it_is_built_with() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (default,) = re.findall(r"^ARG EXTRAS=(\S+)", DOCKERFILE, re.MULTILINE)
    stated = re.findall(r"--build-arg EXTRAS=([\w,]+)", INSTALLATION)
    assert stated
    assert {name for each in (default, *stated) for name in each.split(",")} <= extras.keys()


@pytest.mark.parametrize("role", ["serve", "receive", "work", "pull --by-schedule", "web"])
def test_a_container_runs_a_role_and_asks_its_health(role: str, tmp_path: Path) -> None:
    for program in ("gateway", "python"):
        (tmp_path / program).write_text(f'#!/bin/sh\necho {program} "$#" "$1"\n')
        (tmp_path / program).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.defpath}", "GATEWAY_ROLE": role}

    def said(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    (command,) = re.findall(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert said(json.loads(command)[2]) == f"gateway {len(role.split())} {role.split()[0]}"
    (health,) = re.findall(r"^HEALTHCHECK .*\\\n    CMD ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    assert said(health) == {"serve": "gateway 1 health", "web": "python 2 -c"}.get(role, "")


def test_the_image_takes_no_cuda() -> None:
    (index,) = re.findall(r"^ARG TORCH_INDEX_URL=(\S+)", DOCKERFILE, re.MULTILINE)
    assert index.endswith("/cpu")
    installs = re.findall(r"pip install .+", DOCKERFILE)
    assert ["--no-deps" in line and "torch torchvision" in line for line in installs] == [True, False]
    assert all("-c constraints.txt" in line for line in installs)


def test_the_image_opens_the_ports_and_keeps_the_data_of_the_settings() -> None:
    defaults = Settings.model_construct()
    assert f"EXPOSE {defaults.scp.port} {defaults.web.port}\n" in DOCKERFILE
    (data,) = re.findall(r"GATEWAY_DATA_DIR=(\S+)", DOCKERFILE)
    assert f"VOLUME {data}\n" in DOCKERFILE
    assert mounted(GATEWAY)[data] in COMPOSE["volumes"]


def test_what_is_mounted_exists() -> None:
    for service in (GATEWAY, ORTHANC):
        for source in mounted(service).values():
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file(), source
    assert mounted(GATEWAY)[GATEWAY["environment"]["GATEWAY_CONFIG"]] == "./config/compose.yaml"


def test_variables_are_settings() -> None:
    stated = set(re.findall(r"\b(GATEWAY_\w+)=", DOCKERFILE)) | GATEWAY["environment"].keys()
    assert stated - NO_SETTINGS <= VARIABLES


def test_published_ports_are_bound_beyond_loopback_and_guarded(settings: Settings) -> None:
    assert {settings.scp.bind, settings.web.bind} == {"0.0.0.0"}  # noqa: S104 - read, not bound
    assert published(GATEWAY).keys() == {settings.scp.port, settings.web.port}
    assert GATEWAY["environment"]["GATEWAY_WEB__TOKEN"].startswith("${GATEWAY_WEB_TOKEN:?")


def test_health_is_asked_where_the_pages_are(settings: Settings) -> None:
    assert f"http://127.0.0.1:{settings.web.port}/health/live" in GATEWAY["healthcheck"]["test"][-1]
    assert int(GATEWAY["stop_grace_period"].removesuffix("s")) > settings.shutdown_seconds


def test_peers_and_destination_are_those_of_the_network(settings: Settings) -> None:
    ((network,),) = [each["ipam"]["config"] for each in COMPOSE["networks"].values()]
    hosts = {peer.ae_title: peer.host for peer in settings.scp.peers}
    title = ORTHANC["environment"]["ORTHANC__DICOM_AET"]
    assert hosts == {title: address(ORTHANC), "STORESCU": network["gateway"]}
    assert all(
        ip_address(each) in ip_network(network["subnet"]) for each in (*hosts.values(), address(GATEWAY))
    )
    (pacs,) = settings.destinations
    assert isinstance(pacs, DicomDestination)
    assert (pacs.ae_title, pacs.host) == (title, address(ORTHANC))
    assert pacs.port in published(ORTHANC)
    assert settings.destinations_for(title) == (pacs.name,)


def test_orthanc_sends_radiographs_to_the_gateway(settings: Settings) -> None:
    environment = ORTHANC["environment"]
    ((name, node),) = json.loads(environment["ORTHANC__DICOM_MODALITIES"]).items()
    assert node == [settings.scp.ae_title, "gateway", settings.scp.port]
    (script,) = json.loads(environment["ORTHANC__LUA_SCRIPTS"])
    rule = (ROOT / mounted(ORTHANC)[script]).read_text()
    assert f"SendToModality(instanceId, '{name}')" in rule
    assert f"origin['RemoteAet'] ~= '{settings.scp.ae_title}'" in rule


def unit() -> dict[str, str]:
    lines = [line.partition("=") for line in UNIT.read_text().splitlines() if not line.startswith("#")]
    return {key: value for key, _, value in lines}


def test_the_unit_names_what_the_installation_makes() -> None:
    (clone,) = re.findall(r"git clone … (\S+)", INSTALLATION)
    (user,) = re.findall(r"useradd --system --home (\S+) --create-home (\S+)", INSTALLATION)
    (config,) = re.findall(r"cp config/gateway.yaml (\S+)", INSTALLATION)
    stated = unit()
    assert stated["ExecStart"] == f"{clone}/.venv/bin/gateway serve"
    assert (stated["ReadWritePaths"], stated["User"]) == user
    assert stated["Environment"] == f"GATEWAY_CONFIG={config}"
    assert "cp deploy/cxr-gateway.service /etc/systemd/system/" in INSTALLATION
    assert int(stated["TimeoutStopSec"]) > Settings.model_construct().shutdown_seconds


def test_commands_have_the_settings_and_secrets_of_the_service(tmp_path: Path) -> None:
    secrets, program = tmp_path / "secrets", tmp_path / "gateway"
    secrets.write_text(
        "# NAME=VALUE\nGATEWAY_DATABASE=postgresql://u:a$b'c d@host/x\n\nGATEWAY_WEB__TOKEN=t=1"
    )
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" "$GATEWAY_CONFIG" "$GATEWAY_DATABASE" "$GATEWAY_WEB__TOKEN"'
    )
    program.chmod(0o755)
    script = (ROOT / "deploy" / "gateway").read_text()
    for there, here in {stated_file(): secrets, unit()["ExecStart"].split()[0]: program}.items():
        assert there in script
        script = script.replace(there, str(here))
    command = ["sh", "-c", script, "gateway", "list", "two words"]
    done = subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, text=True, check=True)
    config = unit()["Environment"].removeprefix("GATEWAY_CONFIG=")
    assert done.stdout.splitlines() == ["list", "two words", config, "postgresql://u:a$b'c d@host/x", "t=1"]
    assert "install -m 755 deploy/gateway /usr/local/bin/gateway" in INSTALLATION


def stated_file() -> str:
    """Return the file of secrets that the unit names."""
    return unit()["EnvironmentFile"].removeprefix("-")


def test_docker_run_publishes_the_ports_and_states_settings() -> None:
    lines = re.findall(r"docker run (?:\\\n|[^\n])*", INSTALLATION)
    assert lines
    defaults = Settings.model_construct()
    for line in lines:
        ports = re.findall(r"-p (?:[\d.]+:)?\d+:(\d+)", line)
        assert set(map(int, ports)) <= {defaults.scp.port, defaults.web.port}
        assert set(re.findall(r"-e (GATEWAY_\w+)", line)) - NO_SETTINGS <= VARIABLES
        assert {"-v cxr-data:/data", "cxr-gateway"} <= set(re.findall(r"-v cxr-data:/data|cxr-gateway", line))
