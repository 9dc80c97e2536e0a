"""Hides packages that only the tests need from the gateway: pydicom imports them wherever it finds them."""

import sys
from importlib.abc import MetaPathFinder

TOOLS = {"gdcm", "requests"}


class _Hidden(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname in TOOLS:
            raise ModuleNotFoundError(f"{fullname} is a tool of the tests", name=fullname)


sys.meta_path.insert(0, _Hidden())
