"""The command line as a whole: its table, its exit statuses, and what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import __version__
from gateway.commands import app as command_line
from gateway.commands.app import COMMANDS, CONFIG_COMMANDS, MODEL_COMMANDS, app, main
from gateway.commands.console import out, warn
from gateway.errors import ConfigurationError, GatewayError, NoGatewayYet, Retry
from gateway.web.security.passwords import is_password
from tests.support.gateway_process import PATIENCE_SECONDS

HEAVY = (
    "numpy",
    "pydantic",
    "pydicom",
    "sqlalchemy",
    "torch",
    "openvino",
    "gateway.store",
    "pynetdicom",
    "fastapi",
    "gateway.training",
    "gateway.proof",
    "matplotlib",
)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """The commands change the umask of their process, which here is that of the tests."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def test_every_command_has_its_line_in_the_help() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "140"}).output
    for name, command in COMMANDS.items():
        first_line = (command.__doc__ or "").splitlines()[0]
        assert f" {name} " in shown
        assert first_line in shown
    assert " config " in shown


@pytest.mark.parametrize(
    "arguments",
    [[name] for name in COMMANDS]
    + [["config", name] for name in CONFIG_COMMANDS]
    + [["model", name] for name in MODEL_COMMANDS],
)
def test_every_command_explains_its_options(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, [*arguments, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version_is_printed(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.output) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("scp.port: no number"), 2),
        (NoGatewayYet("var: no gateway has run here yet"), 1),
        (Retry("the database is locked"), 1),
        (GatewayError("1.2.3: nothing to retry"), 1),
    ],
)
def test_a_known_problem_is_one_line_and_an_exit_status(
    error: GatewayError, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "app", _raising(error))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert capsys.readouterr().err == f"gateway: {error}\n"


def test_every_line_of_a_problem_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "app", _raising(ConfigurationError("first\nsecond [not markup]")))
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.splitlines() == ["gateway: first", "gateway: second [not markup]"]


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out.print("the profile is in /site[b]:x:", soft_wrap=True)
    warn("A@host:x: no [b]node")
    assert capsys.readouterr() == ("the profile is in /site[b]:x:\n", "A@host:x: no [b]node\n")


def _printed(code: str) -> str:
    """Return the output of Python code in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return done.stdout


def test_the_table_of_commands_loads_nothing_heavy() -> None:
    code = f"import sys, gateway.commands.app; print([name for name in {HEAVY} if name in sys.modules])"
    assert _printed(code) == "[]\n"


def test_predict_loads_neither_the_ledger_nor_the_network() -> None:
    absent = {"sqlalchemy", "pynetdicom", "structlog"}
    code = f"import sys, gateway.worker.predict; print(sorted({absent} & set(sys.modules)))"
    assert _printed(code) == "[]\n"


def test_wrong_usage_is_told_with_status_2() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["send", "file.dcm"]).exit_code == 2
    assert runner.invoke(app, ["list", "--limit", "0"]).exit_code == 2
    assert runner.invoke(app, ["nothing"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("commission x --site a --specificity nan", "must be 0.99 or less, not 'nan'"),
        ("commission x --site a --share much", "must be a number, not 'much'"),
        ("list --limit 0", "must be 1 or more, not '0'"),
        ("route --last 1.5", "must be a whole number, not '1.5'"),
        ("list --state gone", "'gone' is not one of 'received', "),
        ("pull --list --limit x", "must be a whole number, not 'x'"),
    ],
)
def test_a_value_is_told_as_settings_are(arguments: str, told: str) -> None:
    done = CliRunner().invoke(app, arguments.split(), env={"COLUMNS": "140"})
    assert done.exit_code == 2
    assert f"{arguments.split()[-2]}': {told}" in done.output


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("gateway re", {"receive", "refusals", "retry", "resend", "reprocess"}),
        ("gateway send --t", {"--to", "--tls"}),
    ],
)
def test_the_shell_completes_commands_and_options(typed: str, completed: set[str]) -> None:
    def run(**environment: str) -> str:
        return CliRunner().invoke(app, [], env=environment, prog_name="gateway").output

    assert "complete -o default -F _gateway_completion gateway" in run(_GATEWAY_COMPLETE="source_bash")
    number = str(len(typed.split()) - 1)
    answered = run(_GATEWAY_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=number)
    assert set(answered.split()) == completed


def _raising(error: GatewayError) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def test_a_password_may_come_by_a_pipe_and_none_is_an_error() -> None:
    command = [sys.executable, "-m", "gateway", "hash-password"]

    def hashed(given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )

    done = hashed("correct horse\r\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert is_password("correct horse", done.stdout.strip())
    empty = hashed("")
    assert (empty.returncode, "no password was given" in empty.stderr) == (1, True)


@pytest.mark.parametrize("output", ["/dev/full", None], ids=["full", "closed"])
def test_an_output_that_takes_nothing_is_no_bug(output: str | None) -> None:
    command = f"exec {sys.executable} -m gateway version {f'> {output}' if output else '>&-'}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if output else 0)
    assert ("cannot write: No space left on device" in done.stderr) == bool(output)


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """A ledger that is descriptor 2 would be overwritten by what a library writes on standard error."""
    found = tmp_path / "found"
    command = f"""
import os, pathlib, sys
from gateway.commands.app import main
sys.argv = ["gateway", "version"]
try:
    main()
finally:
    held = [os.readlink(f"/proc/self/fd/{{n}}") for n in range(3)]
    streams = [each.fileno() for each in (sys.stdin, sys.stdout, sys.stderr)]
    pathlib.Path({str(found)!r}).write_text(f"{{held}} {{streams}}")
"""
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", command]
    subprocess.run(shell, timeout=PATIENCE_SECONDS, check=True)
    # forked roles tell their supervisor by 1, and hear by 0 that it has ended
    assert found.read_text() == f"{['/dev/null'] * 3} [0, 1, 2]"


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "two\nlines"])
def test_a_site_is_named_before_the_model_is_fitted(name: str) -> None:
    done = CliRunner().invoke(app, ["commission", "nowhere", "--site", name], env={"COLUMNS": "140"})
    assert (done.exit_code, "must be 1 to 64 printable characters" in done.output) == (2, True)
