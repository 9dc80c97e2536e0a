"""A folder whose disk is not mounted is told from one that lies there: /etc/fstab says which is which."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.files import mounts
from gateway.files.data_directory import DataDirectory
from gateway.files.mounts import away

ROOT = "22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n"
FSTAB = r"""# /etc/fstab
UUID=1  /               ext4  defaults  0 1
UUID=2  none            swap  sw        0 0
UUID=3  /srv            ext4  nofail    0 2
UUID=4  /srv/images     xfs   nofail    0 2
nas:/x  /mnt/x\040rays  nfs   _netdev   0 0
UUID=5
"""


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the table of what is mounted, beside that of what should be."""
    (tmp_path / "fstab").write_text(FSTAB)
    (tmp_path / "mountinfo").write_text(ROOT)
    monkeypatch.setattr(mounts, "FSTAB", tmp_path / "fstab")
    monkeypatch.setattr(mounts, "MOUNTED", tmp_path / "mountinfo")
    return tmp_path / "mountinfo"


def mount(table: Path, *points: str) -> None:
    table.write_text(ROOT + "".join(f"30 22 8:1 / {each} rw - ext4 /dev/sdb1 rw\n" for each in points))


@pytest.mark.parametrize(
    ("folder", "points", "missing"),
    [
        ("/srv/gateway", (), "/srv"),
        ("/srv", (), "/srv"),
        ("/srv/gateway", ("/srv",), None),
        ("/srv/images/a", ("/srv",), "/srv/images"),
        ("/srv/images/a", ("/srv", "/srv/images"), None),
        ("/srv/gateway", ("/srv/gateway",), None),  # another disk, which the table does not name
        ("/srv/gateway", ("/srv/images",), "/srv"),
        ("/srvx/gateway", (), None),
        ("/var/lib/gateway", (), None),
        ("/mnt/x rays/out", (), "/mnt/x rays"),
        ("/mnt/x rays/out", (r"/mnt/x\040rays",), None),
    ],
)
def test_the_nearest_mount_above_a_folder_decides(
    mounted: Path, folder: str, points: tuple[str, ...], missing: str | None
) -> None:
    mount(mounted, *points)
    told = away(Path(folder))
    assert (told or "").partition(" is not mounted")[0] == (missing or "")


def test_a_link_leads_to_the_disk(mounted: Path, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to("/srv/gateway")
    assert away(tmp_path / "var") is not None
    mount(mounted, "/srv")
    assert away(tmp_path / "var") is None


def test_a_folder_that_is_mounted_at_its_own_path_is_no_disk(mounted: Path) -> None:
    """systemd mounts each path of `ReadWritePaths` so."""
    disk = "30 22 8:1 / /srv rw - ext4 /dev/sdb1 rw\n"
    for line, is_away in (
        ("31 22 254:1 /srv/share /srv/share rw - ext4 /dev/vda1 rw\n", True),
        (disk + "31 30 8:1 /share /srv/share rw - ext4 /dev/sdb1 rw\n", False),
        ("31 22 254:1 /elsewhere /srv/share rw - ext4 /dev/vda1 rw\n", False),
    ):
        mounted.write_text(ROOT + line)
        assert (away(Path("/srv/share/results")) is not None) is is_away


@pytest.mark.parametrize("table", ["FSTAB", "MOUNTED"])
@pytest.mark.usefixtures("mounted")
def test_without_one_of_the_tables_nothing_is_missing(table: str) -> None:
    getattr(mounts, table).unlink()
    assert away(Path("/srv/gateway")) is None


@pytest.mark.usefixtures("mounted")
def test_a_database_says_that_the_data_are_here(tmp_path: Path) -> None:
    mounts.FSTAB.write_text(f"UUID=1 {tmp_path} ext4 noauto 0 2\n")
    directory = DataDirectory(tmp_path)
    assert directory.missing_mount() is not None
    directory.database.touch()
    assert directory.missing_mount() is None


def test_no_data_directory_is_made_below_a_missing_mount(mounted: Path, tmp_path: Path) -> None:
    mounts.FSTAB.write_text(f"UUID=1 {tmp_path}/srv ext4 nofail 0 2\n")
    directory = DataDirectory(tmp_path / "srv" / "gateway")
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/srv is not mounted"):
        directory.make()
    assert not (tmp_path / "srv").exists()
    mount(mounted, f"{tmp_path}/srv")
    directory.make()
    assert directory.root.is_dir()
