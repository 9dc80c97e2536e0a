"""The proof can fail: made-up lists in which something is lost or duplicated are found out."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.commands.app import app
from gateway.proof import conduct
from gateway.proof.conduct import Findings
from gateway.proof.reconcile import ArchivedObject, Entry, Reconciliation, reconcile

IMAGE = "1.2.3"
SR, SC = ArchivedObject("1.2.3.1", "sr", IMAGE, "a"), ArchivedObject("1.2.3.2", "sc", IMAGE, "b")
DELIVERED = Entry(IMAGE, "delivered", None, ("1.2.3.1", "1.2.3.2"))


def verdict(entries: Sequence[Entry], arrivals: Sequence[ArchivedObject]) -> Reconciliation:
    return reconcile([IMAGE], entries, arrivals)


def test_an_image_answered_once_holds() -> None:
    found = verdict([DELIVERED], [SR, SC])
    assert found.holds
    assert (found.acknowledged, found.answered, found.resent) == (1, 1, 0)


def test_the_same_object_again_is_counted_and_allowed() -> None:
    found = verdict([DELIVERED], [SR, SC, SC, SR, SC])
    assert found.holds
    assert found.resent == 3


@pytest.mark.parametrize(
    ("entries", "arrivals", "why"),
    [
        ([], [SR, SC], "not in the ledger"),
        ([Entry(IMAGE, "received", None, ())], [], "is received"),
        ([Entry(IMAGE, "failed", "poison", ())], [], "is failed (poison)"),
        ([Entry(IMAGE, "delivered", None, ())], [], "has no results"),
        ([DELIVERED], [SR], "not every result has arrived"),
    ],
)
def test_what_is_lost_is_told(entries: Sequence[Entry], arrivals: Sequence[ArchivedObject], why: str) -> None:
    found = verdict(entries, arrivals)
    assert not found.holds
    assert found.answered == 0
    (case,) = found.lost
    assert why in case


@pytest.mark.parametrize(
    ("entries", "arrivals", "why"),
    [
        ([DELIVERED], [SR, SC, ArchivedObject("1.2.3.9", "sr", IMAGE, "c")], "2 objects of sr"),
        ([DELIVERED], [SR, SC, ArchivedObject("1.2.3.2", "sc", IMAGE, "c")], "2 different contents"),
        ([DELIVERED, DELIVERED], [SR, SC], "2 rows in the ledger"),
    ],
)
def test_what_is_duplicated_is_told(
    entries: Sequence[Entry], arrivals: Sequence[ArchivedObject], why: str
) -> None:
    found = verdict(entries, arrivals)
    assert not found.holds
    (case,) = found.duplicated
    assert why in case


@pytest.mark.parametrize(
    ("entries", "mishaps", "status"),
    [([DELIVERED], (), 0), ([], (), 1), ([DELIVERED], ("work 0 ended by itself with status 1",), 1)],
)
def test_the_exit_status_tells(
    entries: Sequence[Entry],
    mishaps: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    findings = Findings((), verdict(entries, [SR, SC]), mishaps, 1.0)
    monkeypatch.setattr(conduct, "conduct", lambda *_: findings)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = CliRunner().invoke(app, ["prove"])
    assert done.exit_code == status, done.output
    assert all(case in done.output for case in (*findings.verdict.lost, *mishaps))
