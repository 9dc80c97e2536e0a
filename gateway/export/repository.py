"""The model repository that an export writes: a folder for each network, one for its version, the file in it.

Triton reads `config.pbtxt` beside the versions; OpenVINO Model Server reads the versions, and `config.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.export.formats import Format
from gateway.remote.contract import IMAGE, Network, Shape

MOST_IMAGES = 1024  # of a request, for Triton


def network_file(folder: Path, network: Network, version: int, format_: Format) -> Path:
    """Return where the file of a network lies in a repository."""
    return folder / network.name / str(version) / format_.file


def write_configuration(folder: Path, networks: Sequence[Network], format_: Format) -> None:
    """Write what servers want beside the networks."""
    for network in networks:
        (folder / network.name / "config.pbtxt").write_text(_triton(network, format_), encoding="utf-8")
    listed = [{"config": {"name": each.name, "base_path": each.name}} for each in networks]
    (folder / "config.json").write_text(
        json.dumps({"model_config_list": listed}, indent=2) + "\n", encoding="utf-8"
    )


def write_metadata(folder: Path, metadata: Mapping[str, object]) -> None:
    """Write `export.json`: the model, the format, and the parity figures."""
    (folder / "export.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def _triton(network: Network, format_: Format) -> str:
    kind = "".join(f'{key}: "{value}"\n' for key, value in format_.backend.items())
    outputs = [
        _tensor(format_.output(number, name), shape)
        for number, (name, shape) in enumerate(network.outputs.items())
    ]
    return (
        f'name: "{network.name}"\n{kind}max_batch_size: {MOST_IMAGES}\n'
        f"input [\n{_tensor(IMAGE, network.image)}\n]\n"
        f"output [\n{(',' + chr(10)).join(outputs)}\n]\n"
    )


def _tensor(name: str, shape: Shape) -> str:
    dims = ", ".join(map(str, shape))
    return f'  {{ name: "{name}" data_type: TYPE_FP32 dims: [ {dims} ] }}'
