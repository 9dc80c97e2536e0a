"""Hides PyTorch and OpenVINO, as on a worker's host that has neither."""

import sys
from importlib.abc import MetaPathFinder

ENGINES = {"openvino", "torch", "torchvision"}


class _Hidden(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname.partition(".")[0] in ENGINES:
            raise ModuleNotFoundError(f"{fullname} is not installed", name=fullname)


sys.meta_path.insert(0, _Hidden())
