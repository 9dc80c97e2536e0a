"""`make check`: security advisories against the versions in constraints.txt. Says so when it cannot know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
SECONDS = 120
NOT_SCANNED = (
    "advisories: NOT SCANNED: the advisory service cannot be reached; run `make check` where it can be"
)


def scan() -> str:
    """Return what pip-audit writes, which is no JSON where the service is away."""
    options = [
        "--format",
        "json",
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "--timeout",
        "10",
    ]
    command = [sys.executable, "-m", "pip_audit", "-r", str(CONSTRAINTS), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def judge(output: str) -> tuple[str, int]:
    """Return what to print and the exit status: 1 only where an advisory is known."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except ValueError:
        return NOT_SCANNED, 0
    scanned = [each for each in dependencies if "vulns" in each]
    if not scanned:
        return NOT_SCANNED, 0
    found = [
        f"{each['name']} {each['version']}: {advisory['id']}, mended in {_versions(advisory)}"
        for each in scanned
        for advisory in each["vulns"]
    ]
    skipped = sorted(each["name"] for each in dependencies if "vulns" not in each)
    unknown = f"; not known there: {', '.join(skipped)}" if skipped else ""
    counted = f"advisories: {len(found)} against {len(scanned)} packages{unknown}"
    return "\n".join([*found, counted]), int(bool(found))


def _versions(advisory: dict[str, list[str]]) -> str:
    return ", ".join(advisory["fix_versions"]) or "no version yet"


if __name__ == "__main__":
    words, status = judge(scan())
    sys.stdout.write(f"{words}\n")
    sys.exit(status)
