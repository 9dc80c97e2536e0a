"""The commands that need no running gateway, as a person runs them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from gateway.settings import TLS
from gateway.tls import server_context
from tests.support.certificates import Authority
from tests.support.command_line import Done, run_command
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.storage_peer import storage_peer

SAMPLES = Path(__file__).parents[2] / "sample_dicoms"


def told(done: Done | subprocess.CompletedProcess[str]) -> str:
    """Return the one line that says what is wrong."""
    (line,) = done.stderr.strip().splitlines()
    return line


def test_predict_answers_one_json_line_a_file(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.fromarray(dcmread(SAMPLES / "dx_pa_normal.dcm").pixel_array.astype("uint16")).save(picture)
    files = [SAMPLES / "dx_pa_normal.dcm", picture, SAMPLES / "dx_lateral.dcm"]
    done = run_command("predict", *files, "--out", tmp_path / "results", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    dicom, png, lateral = map(json.loads, done.stdout.splitlines())
    assert [line["file"] for line in (dicom, png, lateral)] == [str(file) for file in files]
    for line in (dicom, png):
        if line["label"] == "Undetermined":
            assert line["probabilities"] is None
            assert line["reason"]
        else:
            assert sum(line["probabilities"].values()) == pytest.approx(1)
    assert (lateral["label"], lateral["probabilities"], lateral["reason"]) == (
        "Undetermined",
        None,
        "lateral",
    )
    assert [dcmread(dicom[kind]).Modality for kind in ("sr", "sc")] == ["SR", "OT"]
    assert "sr" not in png


def test_predict_goes_on_after_a_file_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.dcm").write_bytes(b"<html>not found</html>")
    (tmp_path / "folder" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "folder" / "c.dcm").write_bytes((SAMPLES / "dx_pa_normal.dcm").read_bytes())
    done = run_command("predict", tmp_path / "folder", folder=tmp_path)
    assert done.returncode == 1
    first, second, _ = map(json.loads, done.stdout.splitlines())
    assert [first["reason"], second["reason"]] == ["undecodable", "undecodable"]
    assert "not a DICOM file" in first["detail"]


def test_predict_of_nothing_says_so(tmp_path: Path) -> None:
    done = run_command("predict", tmp_path / "absent", folder=tmp_path)
    assert done.returncode == 1
    assert "no such file or folder" in told(done)


def test_send_and_echo(tmp_path: Path) -> None:
    with storage_peer() as peer:
        node = f"PACS@127.0.0.1:{peer.port}"
        assert run_command("echo", node, folder=tmp_path).returncode == 0
        done = run_command(
            "send", SAMPLES / "dx_pa_normal.dcm", SAMPLES / "README.md", "--to", node, folder=tmp_path
        )
    assert done.returncode == 1
    assert "README.md: not a DICOM file" in done.stderr
    assert "1 of 2 stored" in done.stdout
    assert peer.received == [dcmread(SAMPLES / "dx_pa_normal.dcm").SOPInstanceUID]


def test_in_a_folder_what_is_not_dicom_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "disc"
    folder.mkdir()
    (folder / "README.TXT").write_text("how to open this disc")
    shutil.copy(get_testdata_file("DICOMDIR"), folder)
    with storage_peer() as peer:
        command = ["send", folder, "--to", f"PACS@127.0.0.1:{peer.port}", "--from", "WS1"]
        assert run_command(*command, folder=tmp_path).returncode == 1
        shutil.copy(SAMPLES / "dx_pa_normal.dcm", folder)
        done = run_command(*command, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"passed over, because it is not DICOM: 1 ({folder / 'README.TXT'})" in done.stderr
    assert "1 of 1 stored" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["echo", "PACS@127.0.0.1:1"], 1, "nothing answers there"),
        (["echo", "PACS"], 2, "AE@HOST:PORT, or name a destination"),
        (["send", "."], 2, "--to"),
        (["show", "1.2.3"], 1, "no image with this SOP Instance UID"),
        (["list", "--config", "absent.yaml"], 2, "absent.yaml"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    done = run_command(*arguments, folder=tmp_path)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_tells_what_to_change_where(tmp_path: Path) -> None:
    settings = tmp_path / "gateway.yaml"
    settings.write_text(yaml.safe_dump({"scp": {"port": 0}, "web": {"port": 0}}))
    done = run_command("doctor", "--json", "--config", settings, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    verdicts = {finding["what"]: finding["verdict"] for finding in json.loads(done.stdout)}
    measured = {verdicts.pop(what) for what in ("disk", "model")}  # not as fast beside other work
    assert measured <= {"good", "doubtful"}
    assert set(verdicts.values()) == {"good"}
    assert not (tmp_path / "var").exists()
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "outbox").touch()
    done = run_command("doctor", "--config", settings, folder=tmp_path)
    assert done.returncode == 1
    assert "here: give this user the right to write there" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "1.2.3"], ["config", "show"], ["retry", "--failed"]]
)
def test_who_asks_makes_nothing_and_hears_where_it_was_looked(tmp_path: Path, arguments: list[str]) -> None:
    done = run_command(*arguments, folder=tmp_path)
    assert (
        f"no config/gateway.yaml here: the defaults serve, and data is kept in {tmp_path}/var" in done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_an_option_too(tmp_path: Path) -> None:
    assert run_command("--version", folder=tmp_path).stdout == run_command("version", folder=tmp_path).stdout


def test_files_are_sent_by_tls_under_a_calling_title_of_choice(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs = authority.sign("workstation"), authority.sign("pacs")
    context = server_context(TLS(certificate=theirs.certificate, key=theirs.key, ca=authority.ca), "tls")
    command = ["send", SAMPLES / "dx_pa_normal.dcm", "--from", "WS1", "--ca", authority.ca]
    with storage_peer(tls=context) as peer:
        command += ["--to", f"PACS@localhost:{peer.port}"]
        done = run_command(*command, "--certificate", ours.certificate, "--key", ours.key, folder=tmp_path)
        assert (done.returncode, peer.callers) == (0, ["WS1"]), done.stderr
        stranger = run_command(*command, folder=tmp_path)
    assert stranger.returncode == 1
    assert len(peer.received) == 1


def test_a_process_ends_with_one_line_and_the_exit_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "echo", "PACS@127.0.0.1:1"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE_SECONDS, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing answers there" in told(done)


def test_config_show_prints_what_is_in_force_and_no_secret(tmp_path: Path) -> None:
    done = run_command(
        "config", "show", folder=tmp_path, GATEWAY_WEB__TOKEN="hush-hush-hush-hush", GATEWAY_SCP__PORT="4242"
    )
    shown = yaml.safe_load(done.stdout)
    assert shown["scp"]["port"] == 4242
    assert "hush-hush" not in done.stdout


def test_config_check_lists_every_problem(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("scp: {port: x}\nunknown: 1\n")
    done = run_command("config", "check", "--config", "wrong.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == ["scp.port", "unknown"]
