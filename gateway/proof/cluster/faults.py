"""Plans what goes wrong in a cluster: faults, hosts and times. The same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.proof.cluster.site import BALANCER, PACS, ROLES, STORE
from gateway.proof.plan import DURABILITY_OF_WORK, NAMES, RECEIVE_POINTS, STAGES_OF_WORK, Kill, at_put

HOSTS, DATABASES = "hosts", "databases"
LONGEST_PAUSE_SECONDS = 2.0
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 6.0
SHARE_OF_DATABASES = 0.35


class Kind(StrEnum):
    """Kind of a fault; the value is for the table."""

    POINT = "killed at a point"
    KILL = "killed at a random time"
    POWER = "host without power"
    CUT = "cable cut, both sides alive"
    RESTART = "server ends at once and is started again"
    REBOOT = "primary's host without power"
    PROMOTE = "primary without power, standby promoted"
    PROMOTE_CUT = "primary cut off, standby promoted"
    CUT_PRIMARY = "primary's cable cut"
    CUT_STANDBY = "standby's cable cut, commits wait"
    LOSE_STANDBY = "standby's host without power"
    READ_ONLY = "server read-only"
    NO_CONNECTIONS = "server out of connections"
    SLOW = "server slow"


@dataclass(frozen=True, slots=True)
class ClusterFault:
    """One fault.

    Attributes
    ----------
    lane
        `hosts` or `databases`: one fault of each lane at a time.
    host
        Name of the host, for a fault of the lane `hosts` that has one.
    kill
        The kill at a point of a role, on whichever host reaches it first.
    pause_seconds, seconds
        Pause before the fault, and its duration where it has one.
    """

    lane: str
    kind: Kind
    host: str = ""
    kill: Kill | None = None
    pause_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def place(self) -> str:
        """See `Fault`."""
        return self.kill.place if self.kill else self.kind.value

    @property
    def whom(self) -> str:
        """See `Fault`."""
        if self.kill:
            return NAMES[self.kill.lane]
        return self.host or NAMES["database"]


def plan_faults(count: int, seed: int, *, over_s3: bool = False) -> list[ClusterFault]:
    """Return the faults of both lanes, each lane in order, about a third of them at the databases.

    Parameters
    ----------
    over_s3
        Files lie in a bucket: its server's cable is cut, too, and its PUT takes the place of fsync.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, keeps no secret
    databases = int(SHARE_OF_DATABASES * count)
    hosts, servers = _host_faults(chance, over_s3=over_s3), _database_faults(chance)
    drawn = [next(hosts) for _ in range(count - databases)] + [next(servers) for _ in range(databases)]
    return [_at_a_time(fault, chance) for fault in drawn]


def _host_faults(chance: random.Random, *, over_s3: bool) -> Iterator[ClusterFault]:
    """Yield faults of hosts for ever, a deck after the other; each deck has every kind on every host."""
    number = 0
    while True:
        deck = [ClusterFault(HOSTS, kind, host) for kind, hosts in _WHERE.items() for host in hosts]
        if over_s3:
            deck.append(ClusterFault(HOSTS, Kind.CUT, STORE))
        for point in _points(chance):
            role = point.split(".")[0]
            number += 1
            kill = Kill(number, role, "itself", point, chance.randint(1, 3))
            deck.append(ClusterFault(HOSTS, Kind.POINT, kill=at_put(kill) if over_s3 else kill))
        yield from _shuffled(deck, chance)


def _points(chance: random.Random) -> list[str]:
    """Return a third of a deck: receivers restart faster than workers and are killed more often."""
    return chance.sample(RECEIVE_POINTS, 5) + chance.sample([*STAGES_OF_WORK, *DURABILITY_OF_WORK], 4)


def _database_faults(chance: random.Random) -> Iterator[ClusterFault]:
    while True:
        yield from _shuffled([ClusterFault(DATABASES, kind) for kind in _OF_DATABASES], chance)


def _shuffled(deck: Sequence[ClusterFault], chance: random.Random) -> list[ClusterFault]:
    return chance.sample(deck, len(deck))


def _at_a_time(fault: ClusterFault, chance: random.Random) -> ClusterFault:
    return ClusterFault(
        fault.lane,
        fault.kind,
        fault.host,
        fault.kill,
        chance.uniform(0, LONGEST_PAUSE_SECONDS),
        chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS),
    )


_WHERE = {
    Kind.KILL: (BALANCER, *ROLES),
    Kind.POWER: (BALANCER, *ROLES),
    Kind.CUT: (BALANCER, PACS, *(host for host in ROLES if host != "web")),
}
_OF_DATABASES = [
    *[Kind.RESTART] * 2,
    Kind.REBOOT,
    Kind.PROMOTE,
    Kind.PROMOTE_CUT,
    Kind.CUT_PRIMARY,
    Kind.CUT_STANDBY,
    Kind.LOSE_STANDBY,
    Kind.READ_ONLY,
    Kind.NO_CONNECTIONS,
    Kind.SLOW,
]
