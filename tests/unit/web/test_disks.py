"""The disks whose free space is told: also that of images which lie outside the data directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from gateway.settings import SCP, FolderStore, Section
from gateway.web.disks import disks
from gateway.web.site import Site
from tests.support.site import browsing, site_in


def site_with(folder: Path, **sections: Section) -> Site:
    folder.mkdir()
    return site_in(folder, sections=sections)


def test_the_disk_of_images_counts_where_they_lie_elsewhere(tmp_path: Path) -> None:
    assert disks(site_with(tmp_path / "alone")).keys() == {"data_dir"}
    site = site_with(tmp_path / "data", store=FolderStore(path=tmp_path / "images"))
    assert disks(site).keys() == {"data_dir", "images"}
    shutil.rmtree(tmp_path / "images")
    assert disks(site).keys() == {"data_dir"}  # a mount that is away is told otherwise


def test_a_full_disk_of_images_is_not_ready_and_measured(tmp_path: Path) -> None:
    store, scp = FolderStore(path=tmp_path / "images"), SCP(min_free_disk_mb=10**9)
    with browsing(site_with(tmp_path / "data", store=store, scp=scp)) as browser:
        check = browser.get("/health/ready").json()["checks"]["disk"]
        assert not check["ok"]
        assert check["detail"].endswith("MB free for images")
        assert 'gateway_disk_free_bytes{disk="images"}' in browser.get("/metrics").text
