"""Alert rules and dashboard: promtool checks the rules, and every metric that they name exists."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.commands.app import COMMANDS
from gateway.records import State
from tests.support.missing_peer import leave_out
from tests.support.site import browsing, site_in

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
SCALER = yaml.safe_load_all((FOLDER.parent / "kubernetes" / "work.yaml").read_text())


def promtool(*arguments: str) -> None:
    try:
        done = subprocess.run(
            ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        leave_out("promtool is missing: apt-get install prometheus")
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", "alerts.yaml")


def test_the_rules_fire_when_they_must_and_not_before() -> None:
    promtool("test", "rules", "alerts_test.yaml")


def test_every_alert_has_a_test_and_names_the_first_command() -> None:
    tested = (FOLDER / "alerts_test.yaml").read_text()
    for rule in RULES:
        assert f"alertname: {rule['alert']}" in tested
        assert set(re.findall(r"gateway (\w+)", rule["annotations"]["summary"])) & set(COMMANDS)


def expressions() -> Iterator[str]:
    """Yield everything that is asked of Prometheus."""
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    for manifest in SCALER:
        if manifest["kind"] == "HorizontalPodAutoscaler":
            yield from (each["external"]["metric"]["name"] for each in manifest["spec"]["metrics"])


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names of all samples that /metrics may have, those without a sample now included."""
    with browsing(site_in(tmp_path_factory.mktemp("site"))) as browser:
        families = list(text_string_to_metric_families(browser.get("/metrics").text))
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {f"{each.name}{end}" for each in families for end in suffixes.get(each.type, [""])}


def test_every_metric_that_is_named_exists(samples: set[str]) -> None:
    named = {name for each in expressions() for name in re.findall(r"\bgateway_\w+", each)}
    assert named
    assert named - samples == set()


def test_every_state_that_is_named_exists() -> None:
    states = {name for each in expressions() for name in re.findall(r'gateway_images\{state="(\w+)"', each)}
    assert states
    assert states <= set(State)


def test_the_panels_of_the_dashboard_lie_beside_each_other() -> None:
    panels = DASHBOARD["panels"]
    assert [each["id"] for each in panels] == list(range(1, len(panels) + 1))
    cells = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels]
    assert len(set(cells)) == len(panels)
    assert all(each["gridPos"]["x"] + each["gridPos"]["w"] <= 24 for each in panels)
