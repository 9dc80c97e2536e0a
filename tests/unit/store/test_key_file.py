from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.settings import FolderStore, Settings
from gateway.store.key_file import KEY_BYTES, key_in


def test_all_who_come_at_once_get_the_same_key_and_it_stays(tmp_path: Path) -> None:
    file = tmp_path / "run" / "a.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: key_in(file), range(64)))
    assert keys == {file.read_bytes()}
    assert len(file.read_bytes()) == KEY_BYTES
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == ["a.key"]


def test_hosts_that_share_a_folder_share_the_keys_of_patients_and_sessions(tmp_path: Path) -> None:
    alone = Settings(data_dir=tmp_path / "a")
    assert (alone.patient_key, alone.web_key) == (
        tmp_path / "a" / "patient.key",
        alone.directory.run / "web.key",
    )
    shared = FolderStore(path=tmp_path / "images")
    hosts = [Settings(data_dir=tmp_path / name, store=shared) for name in "ab"]
    assert {each.patient_key for each in hosts} == {tmp_path / "images" / "patient.key"}
    assert {each.web_key for each in hosts} == {tmp_path / "images" / "web.key"}
