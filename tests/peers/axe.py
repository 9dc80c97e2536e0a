"""axe-core in a page: what it finds by the rules of WCAG."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.gateway_process import ROOT

AXE = ROOT / "tests" / "peers" / "axe-core" / "axe.min.js"  # MPL 2.0; its licence lies beside it
LEVEL_A, LEVEL_AA = ["wcag2a", "wcag21a"], ["wcag2aa", "wcag21aa"]
LEVELS = [*LEVEL_A, *LEVEL_AA, "wcag22aa"]  # 2.2 adds the size of targets


def violations(page: Page, levels: list[str]) -> list[str]:
    """Return what axe-core finds on a page, each with where it is and why."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("levels => axe.run({ runOnly: levels })", levels)
    return [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
