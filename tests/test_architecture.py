"""The layers of the gateway: imports run one way."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "gateway"
VALUES = {"records", "errors", "peer_text", "yaml_files"}
RUNNING = {"rules", "settings", "files", "threads", "telemetry", "telemetry.audit", "tls"}
FINDINGS = {"doctor.finding", "doctor.advice"}
CORE = VALUES | {"dicom", "imaging", "results", "model"}
LAYERS: dict[str, set[str]] = {
    # part: what it may import of the gateway
    "records": set(),
    "errors": {"records"},
    "peer_text": set(),
    "yaml_files": {"errors"},
    "command_name": set(),
    "files": {"errors"},
    "threads": set(),
    "dicom": VALUES,
    "imaging": VALUES | {"dicom"},
    "results": VALUES | {"dicom"},
    "model": VALUES | {"dicom", "imaging"},
    "rules": VALUES | {"dicom"},
    "settings": VALUES | {"dicom", "files", "rules"},
    "configuration": VALUES | {"settings"},
    "telemetry": VALUES | {"settings", "files", "threads"},
    "tls": VALUES | {"settings", "threads", "telemetry"},
    "telemetry.audit": VALUES | RUNNING | {"dicom"},
    "sandbox": VALUES | {"command_name"},
    "upper_layer": VALUES | RUNNING | {"dicom"},
    "store": VALUES | RUNNING | {"dicom"},
    "client": VALUES | RUNNING | {"upper_layer"},
    "requestor": VALUES | RUNNING | {"dicom", "upper_layer", "client"},
    "doctor.finding": set(),
    "doctor.advice": set(),
    "deliver": VALUES | RUNNING | FINDINGS | {"dicom", "upper_layer", "client", "requestor", "store"},
    "receive": VALUES | RUNNING | {"dicom", "upper_layer", "store"},
    "pull": VALUES
    | RUNNING
    | FINDINGS
    | {"dicom", "imaging", "upper_layer", "client", "requestor", "store", "receive"},
    "remote": CORE | RUNNING | {"client"},
    "worker": CORE | RUNNING | {"store", "deliver", "remote", "sandbox"},
    "web": CORE | RUNNING | {"store", "receive", "deliver", "worker", "sandbox"},
    "doctor": CORE
    | RUNNING
    | FINDINGS
    | {"configuration", "requestor", "store", "deliver", "pull", "remote", "worker"},
    "processes": VALUES
    | RUNNING
    | {"command_name", "store", "receive", "deliver", "pull", "worker", "web", "sandbox"},
    "training": CORE | {"files"},
    "export": CORE | {"remote"},
    "commissioning": CORE | {"files", "store", "worker"},
    "proof": VALUES | RUNNING | {"dicom", "requestor", "store", "receive", "deliver", "worker", "processes"},
    "commands": CORE
    | RUNNING
    | {"configuration", "requestor", "store", "deliver", "pull", "worker", "web", "processes"}
    | {"training", "proof"}
    | {"commissioning", "doctor", "doctor.finding", "export"},
}
ENTRY_POINTS = {"__main__", "__init__"}
RESEARCH = {"training", "proof", "commissioning", "export"}
COMPOSED = ["receive"]
OUTSIDE_THE_CORE = {"sqlalchemy", "pynetdicom", "dbos", "structlog", "socket", "sqlite3", "typer", "rich"}


def part_of(module: str) -> str:
    """Return the part of the gateway that `gateway.a.b` belongs to."""
    names = module.split(".")[1:]
    return ".".join(names[:2]) if ".".join(names[:2]) in LAYERS else names[0]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(name_of(path))
    if part in ENTRY_POINTS:
        return
    used = {part_of(name) for name in imports_of(path) if name.startswith("gateway.")}
    allowed = LAYERS[part] | {part, "__version__"}
    assert used <= allowed, f"{part} may not import {sorted(used - allowed)}"


def test_no_part_imports_itself_through_another() -> None:
    parts = {part: used - {part} for part, used in LAYERS.items()}
    TopologicalSorter(parts).prepare()  # raises CycleError


@pytest.mark.parametrize("part", ["dicom", "rules", "imaging", "results", "records", "errors", "peer_text"])
def test_the_core_is_pure(part: str) -> None:
    for path in MODULES:
        if part_of(name_of(path)) == part:
            roots = {name.split(".")[0] for name in imports_of(path)}
            assert not roots & OUTSIDE_THE_CORE, path


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(name_of(path)) not in RESEARCH])
def test_training_and_proof_load_only_when_their_command_runs(path: Path) -> None:
    loaded_at_once = [
        node.module or "" for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    assert not {part_of(name) for name in loaded_at_once if name.startswith("gateway.")} & RESEARCH


def test_only_the_engine_knows_dbos() -> None:
    knowing = [
        part_of(name_of(path)) for path in MODULES if any(n.split(".")[0] == "dbos" for n in imports_of(path))
    ]
    assert set(knowing) <= {"worker"}


@pytest.mark.parametrize("part", COMPOSED)
def test_constructors_build_no_collaborators(part: str) -> None:
    """What an object works with is handed to it: composition happens in one place."""
    for path in MODULES:
        if part_of(name_of(path)) == part:
            ours = {name.rpartition(".")[2] for name in imports_of(path) if name.startswith("gateway.")}
            built = {
                call.func.id
                for constructor in constructors_of(path)
                for call in ast.walk(constructor)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
            }
            assert not {name for name in built & ours if name[0].isupper()}, path


def constructors_of(path: Path) -> list[ast.FunctionDef]:
    tree = ast.walk(ast.parse(path.read_text()))
    return [node for node in tree if isinstance(node, ast.FunctionDef) and node.name == "__init__"]


PROTOCOLS = {"pynetdicom", "fastapi", "starlette", "requests", "socket", "http"}


@pytest.mark.parametrize("name", ["intake", "incoming", "capacity"])
def test_the_intake_knows_no_protocol(name: str) -> None:
    used = imports_of(ROOT / "receive" / f"{name}.py")
    adapters = {f"gateway.receive.{each}" for each in ("c_store", "stow", "association", "presentation")}
    assert not {each.split(".")[0] for each in used} & PROTOCOLS
    assert not {each.rpartition(".")[0] for each in used} & adapters


def test_only_the_receiver_speaks_dimse() -> None:
    """The web takes instances in through the intake, not through parts of C-STORE."""
    dimse = ("acceptor", "association", "c_store", "command", "listener", "presentation", "storage_scp")
    for path in MODULES:
        if part_of(name_of(path)) == "web":
            used = {tuple(name.split(".")[1:3]) for name in imports_of(path)}
            assert not used & {("receive", each) for each in dimse}, path


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"])
def test_a_package_that_names_its_modules_names_each(path: Path) -> None:
    head = ast.get_docstring(ast.parse(path.read_text())) or ""
    named = re.findall(r"(?<![\w/.])(\w+\.py)\b", head)
    if len(named) > 2:  # a list, not a sentence
        assert sorted(named) == sorted(each.name for each in path.parent.glob("*.py") if each != path)
