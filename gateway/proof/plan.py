"""Plans the kills: victims, points and times. The same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

RECEIVE, WORK, SERVE, ALL, DATABASE = "receive", "work", "serve", "all", "database"
ITSELF = "itself"
NAMES = {RECEIVE: "receiver", WORK: "worker", SERVE: "supervisor", ALL: "all at once", DATABASE: "PostgreSQL"}


def _points(role: str, *stages: str) -> list[str]:
    return [f"{role}.{stage}.{side}" for stage in stages for side in ("before", "after")]


RECEIVE_POINTS = _points(RECEIVE, "receive", "fsync", "commit")
STAGES_OF_WORK = _points(WORK, "eligibility", "decode", "infer", "encode", "deliver")
DURABILITY_OF_WORK = _points(WORK, "fsync", "commit")
LONGEST_WAIT = {RECEIVE: 3.0, WORK: 12.0, DATABASE: 6.0}  # seconds: twice as long as a start takes


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL.

    Attributes
    ----------
    number
        Unique number in the plan.
    lane
        `receive`, `work` or `database`: one kill of each lane is due at a time.
    victim
        `itself` (the process that passes the point), `receive`, `work`, `serve` (the supervisor), `all` or
        `database`.
    point
        `ROLE.STAGE.SIDE`; None for a kill at a time.
    passage
        Passage of the point at which the kill is due, from 1.
    wait_seconds
        Delay after the lane's last kill, for a kill without a point.
    """

    number: int
    lane: str
    victim: str
    point: str | None = None
    passage: int = 1
    wait_seconds: float = 0.0

    @property
    def place(self) -> str:
        """The moment of the kill, for the table."""
        if not self.point:
            return "killed at a random time"
        _, stage, side = self.point.split(".")
        return f"killed {side} {stage}"

    @property
    def whom(self) -> str:
        """The victim, for the table."""
        return NAMES[self.lane if self.victim == ITSELF else self.victim]


def plan_kills(kills: int, seed: int, database_kills: int = 0, *, over_s3: bool = False) -> list[Kill]:
    """Return the kills in order, 68 of 100 at the receiver, followed by those of the database server.

    Where files lie in a bucket (`over_s3`), its PUT makes them durable, and takes the place of fsync.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, keeps no secret
    deck = _decks(chance)
    planned = [_kill(number, *next(deck), chance) for number in range(kills)]
    if over_s3:
        planned = [at_put(kill) for kill in planned]
    return planned + [
        Kill(number, DATABASE, DATABASE, wait_seconds=chance.uniform(0, LONGEST_WAIT[DATABASE]))
        for number in range(kills, kills + database_kills)
    ]


def at_put(kill: Kill) -> Kill:
    """Return a kill at fsync as one at PUT, any other as it is."""
    return replace(kill, point=kill.point.replace(".fsync.", ".put.")) if kill.point else kill


def _decks(chance: random.Random) -> Iterator[tuple[str | None, str]]:
    """Yield (point, victim) for ever. Receivers restart faster than workers and are killed more often."""
    while True:
        at_points = RECEIVE_POINTS * 8 + STAGES_OF_WORK + DURABILITY_OF_WORK * 2
        victims = [SERVE, ALL] * 2 + [ITSELF] * (len(at_points) - 4)
        chance.shuffle(victims)
        at_moments = [RECEIVE] * 20 + [WORK] * 6 + [SERVE, ALL] * 4
        deck = [*zip(at_points, victims, strict=True), *((None, victim) for victim in at_moments)]
        chance.shuffle(deck)
        yield from deck


def _kill(number: int, point: str | None, victim: str, chance: random.Random) -> Kill:
    if point is None:
        lane = RECEIVE if victim == RECEIVE else WORK
        return Kill(number, lane, victim, wait_seconds=chance.uniform(0, LONGEST_WAIT[lane]))
    lane = point.split(".")[0]
    return Kill(number, lane, victim, point, chance.randint(1, 3 if lane == RECEIVE else 6))
