"""A model that answers at once, for tests in which no answer matters: see `instant_engine`."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path


class _Instead(MetaPathFinder):
    """Finds the double where the engine is imported."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != "gateway.model.openvino_engine":
            return None
        return spec_from_file_location(fullname, Path(__file__).with_name("instant_engine.py"))


sys.meta_path.insert(0, _Instead())
