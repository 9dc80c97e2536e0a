"""The plan of a cluster's faults: repeatable, and sixty of them reach every kind and every host."""

from gateway.proof.cluster.faults import DATABASES, HOSTS, Kind, plan_faults
from gateway.proof.cluster.site import BALANCER, PACS, ROLES


def test_the_same_seed_gives_the_same_faults() -> None:
    assert plan_faults(40, seed=7) == plan_faults(40, seed=7) != plan_faults(40, seed=8)


def test_sixty_faults_reach_every_kind_and_every_host() -> None:
    faults = plan_faults(60, seed=3)
    assert len(faults) == 60
    assert {fault.kind for fault in faults} == set(Kind)
    assert {fault.host for fault in faults if fault.host} == {BALANCER, PACS, *ROLES}
    assert {fault.lane for fault in faults} == {HOSTS, DATABASES}


def test_further_cables_are_cut_too() -> None:
    cut = {fault.host for fault in plan_faults(60, 3, over_s3=True) if fault.kind is Kind.CUT}
    assert "store" in cut


def test_each_kill_at_a_point_has_a_number_of_its_own() -> None:
    numbers = [fault.kill.number for fault in plan_faults(100, seed=1) if fault.kill]
    assert len(set(numbers)) == len(numbers) > 10


def test_a_fault_tells_the_table_what_happened_and_to_whom() -> None:
    told = {(fault.place, fault.whom) for fault in plan_faults(60, seed=3)}
    assert ("host without power", "work1") in told
    assert ("server read-only", "PostgreSQL") in told
    assert any(place.startswith("killed before ") and whom == "receiver" for place, whom in told)
