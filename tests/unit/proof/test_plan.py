"""The plan of kills: repeatable, and in a hundred of them every point is reached."""

from gateway.proof.plan import (
    ALL,
    DURABILITY_OF_WORK,
    RECEIVE,
    RECEIVE_POINTS,
    SERVE,
    STAGES_OF_WORK,
    WORK,
    plan_kills,
)


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan_kills(50, seed=7) == plan_kills(50, seed=7) != plan_kills(50, seed=8)


def test_a_hundred_kills_reach_every_point_and_every_victim() -> None:
    kills = plan_kills(100, seed=3)
    assert {kill.point for kill in kills} == {None, *RECEIVE_POINTS, *STAGES_OF_WORK, *DURABILITY_OF_WORK}
    assert {kill.victim for kill in kills if not kill.point} == {RECEIVE, WORK, SERVE, ALL}
    assert len({kill.number for kill in kills}) == 100


def test_over_a_bucket_the_put_takes_the_place_of_fsync() -> None:
    points = {kill.point for kill in plan_kills(100, seed=3, over_s3=True) if kill.point}
    assert {"receive.put.before", "receive.put.after", "work.put.before", "work.put.after"} < points
    assert not [point for point in points if "fsync" in point]
