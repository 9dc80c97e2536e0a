"""The Kubernetes manifests, by the published schemas and by the settings. No cluster ran them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.commands.app import COMMANDS
from gateway.configuration.problems import WORDING
from gateway.configuration.settings_file import check_settings, load_settings
from gateway.settings import FolderStore, Settings

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSION = "1.37.0"
COMPONENTS = ("pull", "monitoring")
OPERATORS = {"ServiceMonitor"}  # kinds that Kubernetes itself does not know
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS = [
    each
    for name in (*KUSTOMIZATION["resources"], "pull/pull.yaml")
    for each in yaml.safe_load_all((FOLDER / name).read_text())
]
each_object = pytest.mark.parametrize(
    "manifest", OBJECTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}"
)
RUNNING = [each for each in OBJECTS if each["kind"] in ("StatefulSet", "Job")]


def of_kind(kind: str) -> dict[str, Any]:
    return {each["metadata"]["name"]: each["spec"] for each in OBJECTS if each["kind"] == kind}


def container_of(running: dict[str, Any]) -> dict[str, Any]:
    (container,) = running["spec"]["template"]["spec"]["containers"]
    return dict(container)


def own_volumes(running: dict[str, Any]) -> set[str]:
    """Return the volumes that each pod has for itself, for as long as its number exists."""
    return {each["metadata"]["name"] for each in running["spec"].get("volumeClaimTemplates", ())}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of the ConfigMap with the example's secrets, without a warning."""
    for line in (FOLDER / "secrets.env.example").read_text().splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    warnings = list[str]()
    check_settings(FOLDER / "gateway.yaml", warnings.append)
    assert warnings == []
    return load_settings(FOLDER / "gateway.yaml")


@each_object
def test_manifests_follow_the_schema(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_kustomize_lists_every_file() -> None:
    generated = KUSTOMIZATION["configMapGenerator"][0]["files"]
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == {*KUSTOMIZATION["resources"], *generated}
    ignored = (FOLDER.parents[1] / ".gitignore").read_text()
    assert "deploy/kubernetes/secrets.env\n" in ignored


@pytest.mark.parametrize("running", RUNNING, ids=lambda each: each["metadata"]["name"])
def test_containers_run_a_command_without_rights(running: dict[str, Any]) -> None:
    pod, container = running["spec"]["template"]["spec"], container_of(running)
    program, command, *_ = container["command"]
    assert program == "gateway"
    assert command in COMMANDS
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {each["name"] for each in pod["volumes"]} | own_volumes(running)
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert "memory" in container["resources"]["limits"]
    assert not pod["automountServiceAccountToken"]


def test_every_role_survives_the_loss_of_a_node() -> None:
    roles = of_kind("StatefulSet")
    assert roles.pop("pull")["replicas"] == 1  # never two, which would search twice
    assert roles.keys() == {"receive", "work", "web"} == of_kind("PodDisruptionBudget").keys()
    assert all(each["replicas"] >= 2 for each in roles.values())
    for name, budget in of_kind("PodDisruptionBudget").items():
        assert budget["selector"] == roles[name]["selector"]


def test_pods_share_the_images_and_never_the_data_directory(settings: Settings) -> None:
    assert isinstance(settings.store, FolderStore)
    for running in RUNNING:
        mounted = {each["mountPath"]: each["name"] for each in container_of(running)["volumeMounts"]}
        claims = {
            each["persistentVolumeClaim"]["claimName"]
            for each in running["spec"]["template"]["spec"]["volumes"]
            if "persistentVolumeClaim" in each
        }
        assert claims == {mounted[str(settings.store.path)]} == of_kind("PersistentVolumeClaim").keys()
        if running["kind"] == "StatefulSet":  # its log, audit trail and locks outlive a pod
            assert own_volumes(running) == {mounted[str(settings.data_dir)]}


def test_ports_and_folders_are_those_of_the_settings(settings: Settings) -> None:
    ports = {
        port["name"]: port["containerPort"]
        for each in RUNNING
        for port in container_of(each).get("ports", ())
    }
    assert ports == {
        "dicom": settings.scp.port,
        "health": settings.scp.health_port,
        "http": settings.web.port,
    }
    for each in RUNNING:
        container = container_of(each)
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        environment = {variable["name"]: variable["value"] for variable in container["env"]}
        assert {str(settings.data_dir), str(Path(environment["GATEWAY_CONFIG"]).parent)} <= mounts
        assert Path(environment["GATEWAY_CONFIG"]).name == "gateway.yaml"


def test_pods_have_time_to_drain(settings: Settings) -> None:
    for name, role in of_kind("StatefulSet").items():
        pod = role["template"]["spec"]
        before = container_of({"spec": role}).get("lifecycle", {}).get("preStop")
        pause = int(before["exec"]["command"][1]) if before else 0
        drains = pause + settings.scp.drain_notice_seconds + settings.shutdown_seconds
        assert pod["terminationGracePeriodSeconds"] > drains, name


def test_secrets_are_settings() -> None:
    variables = {f"GATEWAY_{name.replace('.', '__').upper()}" for name in WORDING.names()}
    text = (FOLDER / "secrets.env.example").read_text()
    assert set(re.findall(r"^(GATEWAY_\w+)=", text, re.MULTILINE)) <= variables


def test_the_policies_open_what_the_services_serve() -> None:
    opened = {
        port["port"]
        for policy in of_kind("NetworkPolicy").values()
        for rule in policy.get("ingress", ())
        for port in rule["ports"]
    }
    served = {port["targetPort"] for each in of_kind("Service").values() for port in each["ports"]}
    assert opened == served | {"health"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what kubectl makes of the folder with its components."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is missing; Debian's is too old to know components")
    folder = tmp_path_factory.mktemp("kubernetes") / "all"
    shutil.copytree(FOLDER, folder)
    shutil.copy(folder / "secrets.env.example", folder / "secrets.env")
    wanted = yaml.safe_dump(KUSTOMIZATION | {"components": list(COMPONENTS)})
    (folder / "kustomization.yaml").write_text(wanted)
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def test_kustomize_builds_every_object_in_one_namespace(built: list[dict[str, Any]]) -> None:
    kinds = sorted(each["kind"] for each in built)
    assert kinds == sorted([*(each["kind"] for each in OBJECTS), "ConfigMap", "Secret", *OPERATORS])
    for each in built:
        if each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, VERSION, strict=True)
        if each["kind"] != "Namespace":
            assert each["metadata"]["namespace"] == "cxr-gateway"


def test_pods_use_the_settings_and_secrets_that_kustomize_makes(built: list[dict[str, Any]]) -> None:
    names = {(each["kind"], each["metadata"]["name"]) for each in built}
    for pod in [each["spec"]["template"]["spec"] for each in built if each["kind"] in ("StatefulSet", "Job")]:
        (container,) = pod["containers"]
        assert container["image"] == "registry.example/cxr-gateway:0.2.0"
        assert [("Secret", each["secretRef"]["name"]) in names for each in container["envFrom"]] == [True]
        (settings,) = [each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each]
        assert ("ConfigMap", settings) in names


def test_every_service_budget_and_monitor_finds_what_it_is_for(built: list[dict[str, Any]]) -> None:
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in built if each["kind"] == "StatefulSet"]
    for kind in ("Service", "PodDisruptionBudget"):
        for each in built:
            if each["kind"] == kind:
                selector = each["spec"]["selector"]
                wanted = selector.get("matchLabels", selector).items()
                assert len([labels for labels in pods if wanted <= labels.items()]) == 1
    (monitor,) = [each["spec"] for each in built if each["kind"] == "ServiceMonitor"]
    (service,) = [
        each
        for each in built
        if each["kind"] == "Service"
        and monitor["selector"]["matchLabels"].items() <= each["metadata"].get("labels", {}).items()
    ]
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "cxr-gateway"  # the job of the alerts
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    (secret,) = [each for each in built if each["kind"] == "Secret"]
    told = endpoint["authorization"]["credentials"]
    assert told["key"] in secret["data"]
    assert told["name"] == secret["metadata"]["name"]


def test_the_autoscaler_asks_the_queue() -> None:
    ((name, scaler),) = of_kind("HorizontalPodAutoscaler").items()
    (metric,) = [each["external"]["metric"] for each in scaler["metrics"]]
    assert (name, scaler["scaleTargetRef"]["name"]) == ("work", "work")
    assert metric == {"name": "gateway_images", "selector": {"matchLabels": {"state": "received"}}}
