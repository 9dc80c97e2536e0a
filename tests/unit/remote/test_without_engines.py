"""A host without PyTorch and OpenVINO: a remote model opens there, a local one says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.gateway_process import DOUBLES, PATIENCE_SECONDS, ROOT

OPENS = """
import sys
sys.path.insert(0, sys.argv[1])
import no_engines
sys.modules.update(dict.fromkeys(sys.argv[3:]))
from gateway.errors import ConfigurationError
from gateway.settings import Model, Settings
from gateway.worker.inference import open_predictor

try:
    print(open_predictor(Settings(model=Model(**eval(sys.argv[2])))).identity.engine)
except ConfigurationError as error:
    print(error)
print(sorted({name.partition(".")[0] for name, loaded in sys.modules.items() if loaded} & no_engines.ENGINES))
"""


def opened(model: str, *absent: str) -> list[str]:
    """Return the engine or the error, and the engines that are loaded; `absent` modules are hidden, too."""
    command = [sys.executable, "-c", OPENS, str(DOUBLES), model, *absent]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return done.stdout.splitlines()


def test_a_remote_model_needs_no_engine() -> None:
    assert opened("dict(kind='remote', urls=['http://127.0.0.1:1'])") == ["model server float32", "[]"]


def test_a_local_model_says_what_to_install() -> None:
    told, loaded = opened("dict()")
    assert "pip install 'cxr-gateway[local]'" in told
    assert "model.kind: remote" in told
    assert loaded == "[]"


def test_a_model_over_grpc_says_what_to_install() -> None:
    model = "dict(kind='remote', urls=['http://127.0.0.1:1'], protocol='grpc')"
    assert opened(model) == ["model server float32", "[]"]
    for absent in ("grpc", "google.protobuf"):
        told, _ = opened(model, absent)
        assert "model.protocol: grpc needs grpcio and protobuf" in told
        assert "pip install 'cxr-gateway[grpc]'" in told


def test_http_needs_no_grpc() -> None:
    model = "dict(kind='remote', urls=['http://127.0.0.1:1'])"
    assert opened(model, "grpc", "google.protobuf") == ["model server float32", "[]"]
