"""A place that a profile cannot be written to is refused before any time is spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands.commission import check_free
from gateway.errors import GatewayError


def test_a_link_that_leads_nowhere_is_in_the_way(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(GatewayError, match="link exists: state another one by --out"):
        check_free(link, tmp_path, "--out")
    check_free(tmp_path / "free", tmp_path, "--out")


def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="File name too long; state another one by --report"):
        check_free(tmp_path / ("x" * 300), tmp_path, "--report")
