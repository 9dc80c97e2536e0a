"""`gateway config check` tells files of another kind than their setting names, as the start would."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration.settings_file import check_settings
from gateway.doctor.files import faulty_files
from gateway.errors import ConfigurationError
from gateway.files import mounts
from tests.support.certificates import Authority


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "settings.yaml"
    file.write_text(text)
    try:
        check_settings(file, faulty_files=faulty_files)
    except ConfigurationError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("name", ["notes.md", "statistics.safetensors", "/dev/null", "/dev/zero"])
def test_a_file_that_is_no_profile_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.md").write_text("A profile.")
    (tmp_path / "statistics.safetensors").write_bytes(b"\xff\x00\x80")
    (told,) = problems(tmp_path, f"model: {{profile: {name}}}")
    assert told.startswith(f"model.profile: {tmp_path / name} is no site profile: name the folder")
    assert "line 1)" in told


def test_a_folder_without_a_profile_or_a_model_is_told(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f"model: {{profile: {tmp_path}}}")
    assert told.startswith(f"model.profile: there is no site profile at {tmp_path}/profile.yaml")
    (told,) = problems(tmp_path, f"model: {{path: {tmp_path}}}")
    assert told.startswith(f"model.path: there is no model card at {tmp_path}/model.yaml")


def test_an_edited_profile_is_told(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text("threshold: 0.9\nsha256: 00\n")
    (told,) = problems(tmp_path, f"model: {{profile: {tmp_path}}}")
    assert "was changed after it was made" in told


def test_a_key_of_another_certificate_is_told(tmp_path: Path, authority: Authority) -> None:
    one, other = authority.sign("one"), authority.sign("other")
    tls = f"{{certificate: {one.certificate}, key: %s, ca: {authority.ca}}}"
    assert problems(tmp_path, f"scp: {{tls: {tls % one.key}}}") == []
    (told,) = problems(tmp_path, f"scp: {{tls: {tls % other.key}}}")
    assert told.startswith("scp.tls: certificate, key or ca cannot be used")


def test_a_data_directory_whose_disk_is_not_mounted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fstab").write_text(f"UUID=1 {tmp_path}/srv ext4 nofail 0 2\n")
    monkeypatch.setattr(mounts, "FSTAB", tmp_path / "fstab")
    (told,) = problems(tmp_path, f"data_dir: {tmp_path}/srv/gateway")
    assert told.startswith(f"data_dir: {tmp_path}/srv is not mounted")
