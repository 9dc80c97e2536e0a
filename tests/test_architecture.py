"""The layers of the gateway: imports run one way."""

import ast
from pathlib import Path

import pytest

from gateway.imaging.codecs import SUPPORTED_TRANSFER_SYNTAXES
from gateway.receive.presentation import TRANSFER_SYNTAXES

ROOT = Path(__file__).parents[1] / "gateway"
PURE = {"gateway", "records", "errors", "peer_text", "dicom", "encoded"}
ADAPTERS = {"store", "settings", "log", "folders", "vital"}
SECURITY = {"audit", "tls"}
LAYERS: dict[str, set[str]] = {
    # part: what it may import of the gateway
    "records": set(),
    "errors": {"records"},
    "peer_text": set(),
    "dicom": set(),
    "encoded": set(),
    "upper_layer": PURE | {"settings", "log", "tls"},
    "imaging": PURE,
    "results": PURE,
    "model": PURE | {"imaging"},
    "settings": PURE,
    "settings_problems": PURE | {"settings", "yaml_file"},
    "settings_file": PURE | {"settings", "settings_problems", "yaml_file"},
    "secrets_hidden": set(),
    "yaml_file": PURE,
    "folders": set(),
    "vital": set(),
    "line_queue": {"vital"},
    "line_file": {"folders"},
    "log_file": {"settings", "line_file"},
    "log": PURE | {"settings", "log_file", "line_queue"},
    "tls": PURE | {"settings", "log"},
    "audit": PURE | {"settings", "log", "line_file", "tls", "vital"},
    "store": PURE | ADAPTERS,
    "commitment": PURE | ADAPTERS,
    "receive": PURE | ADAPTERS | SECURITY | {"commitment", "upper_layer"},
    "deliver": PURE | ADAPTERS | SECURITY | {"commitment", "upper_layer"},
    "describe": PURE | {"imaging", "results"},
    "pipeline": PURE | ADAPTERS | {"answering", "describe", "imaging", "results", "revision", "model"},
    "settle": PURE | ADAPTERS | {"pipeline"},
    "reprocess": PURE | ADAPTERS | {"answering", "pipeline", "worker_name"},
    "spare_process": PURE,
    "memory_limit": set(),
    "isolation": PURE | ADAPTERS | {"pipeline", "spare_process", "memory_limit"},
    "revision": set(),
    "answering": PURE | {"revision", "settings"},
    "worker_name": PURE | ADAPTERS,
    "engine": PURE | ADAPTERS | {"pipeline", "isolation", "settle", "deliver", "worker_name"},
    "roles": PURE
    | ADAPTERS
    | SECURITY
    | {"receive", "pipeline", "engine", "web", "worker_name", "memory_limit"},
    "supervise": PURE | ADAPTERS | {"roles", "role_call", "worker_name"},
    "export": PURE | ADAPTERS,
    "role_call": PURE,
    "web": PURE
    | ADAPTERS
    | SECURITY
    | {
        "imaging",
        "results",
        "model",
        "receive",
        "predict",
        "pipeline",
        "role_call",
        "spare_process",
        "memory_limit",
    },
    "predict": PURE | ADAPTERS | {"imaging", "model", "results", "pipeline", "deliver"},
    "prove": PURE | ADAPTERS | {"receive", "deliver", "pipeline", "roles"},
    "doctor": PURE | ADAPTERS | {"routing", "results", "pipeline", "deliver", "tls", "role_call"},
    "routing": PURE | {"settings"},
    "account": {"peer_text"},
}
ENTRY_POINTS = {"cli", "__main__", "__init__"}
OUTSIDE_THE_CORE = {"sqlalchemy", "pynetdicom", "dbos", "structlog", "socket", "sqlite3", "typer", "rich"}


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


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
    part = part_of(path)
    if part in ENTRY_POINTS:
        return
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("gateway.")}
    allowed = LAYERS[part] | {part, "__version__"}
    assert used <= allowed, f"{part} may not import {sorted(used - allowed)}"


@pytest.mark.parametrize("part", ["dicom", "imaging", "results", "records", "errors"])
def test_the_core_is_pure(part: str) -> None:
    for path in MODULES:
        if part_of(path) == part:
            roots = {name.split(".")[0] for name in imports_of(path)}
            assert not roots & OUTSIDE_THE_CORE, path


def test_only_the_engine_knows_dbos() -> None:
    knowing = [part_of(path) for path in MODULES if any(n.split(".")[0] == "dbos" for n in imports_of(path))]
    assert set(knowing) <= {"engine"}


def test_what_is_accepted_can_be_decoded() -> None:
    assert set(TRANSFER_SYNTAXES) == set(SUPPORTED_TRANSFER_SYNTAXES)
