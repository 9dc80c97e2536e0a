"""Carries out the faults of a cluster, those of each lane one after another."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import GatewayError
from gateway.proof.cluster.faults import ClusterFault, Kind
from gateway.proof.cluster.site import ROLES, Cluster
from gateway.proof.injection import Orders
from gateway.proof.plan import Kill

ORDER_SECONDS = 20.0  # an order that no process has met by then is withdrawn; its role is killed at once
RECOVERS_SECONDS = 60.0  # a fault begins then, though no image was answered since the last one
LOOK_SECONDS = 0.1
END_SECONDS = 300.0


class ClusterLane:
    """A thread that carries out faults; see `FaultLane`."""

    def __init__(self, faults: Sequence[ClusterFault], cluster: Cluster, orders: Orders) -> None:
        self._faults = faults
        self._cluster = cluster
        self._orders = orders
        self._done: list[ClusterFault] = []
        self._begun = 0
        self._answered, self._starved = 0, False
        self._problem: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        database = cluster.database
        self._at_database: Mapping[Kind, Callable[[float], None]] = {
            Kind.RESTART: database.restart,
            Kind.REBOOT: database.reboot,
            Kind.PROMOTE: database.promote_after_power_cut,
            Kind.PROMOTE_CUT: database.promote_after_cut,
            Kind.CUT_PRIMARY: database.cut_primary,
            Kind.CUT_STANDBY: database.cut_standby,
            Kind.LOSE_STANDBY: database.lose_standby,
            Kind.READ_ONLY: database.refuse_writes,
            Kind.NO_CONNECTIONS: database.refuse_connections,
            Kind.SLOW: database.be_slow,
        }

    @property
    def begun(self) -> int:
        """See `FaultLane`."""
        return self._begun

    @property
    def done(self) -> Sequence[ClusterFault]:
        """See `FaultLane`."""
        return tuple(self._done)

    @property
    def ended(self) -> bool:
        """See `FaultLane`."""
        return len(self._done) == len(self._faults)

    def look(self, *, starved: bool, acknowledged: int, answered: int) -> None:
        """Begin once an image is acknowledged; raise what a fault raised."""
        if self._problem is not None:
            raise GatewayError(f"a fault could not be carried out: {self._problem!r}") from self._problem
        self._answered, self._starved = answered, starved
        if acknowledged and self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Begin no further fault; wait for the one that is under way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        try:
            for fault in self._faults:
                self._begun += 1  # its images come
                self._wait_for_an_answer()
                if self._stopping.wait(fault.pause_seconds):
                    return
                self._carry_out(fault)
                self._done.append(fault)
        except BaseException as problem:
            self._problem = problem

    def _wait_for_an_answer(self) -> None:
        """Wait until an image was answered since the last fault, where images come: the cluster works."""
        before, deadline = self._answered, time.monotonic() + RECOVERS_SECONDS
        while self._answered == before and not self._starved and time.monotonic() < deadline:
            if self._stopping.wait(LOOK_SECONDS):
                return

    def _carry_out(self, fault: ClusterFault) -> None:
        if fault.kill is not None:
            self._kill_at_point(fault.kill)
        elif fault.kind is Kind.KILL:
            self._kill(fault.host)
        elif fault.kind is Kind.POWER:
            host = self._cluster.hosts[fault.host]
            host.lose_power()
            self._stopping.wait(fault.seconds)
            host.boot()
        elif fault.kind is Kind.CUT:
            self._cluster.network.cut(fault.host)
            self._stopping.wait(fault.seconds)
            self._cluster.network.mend(fault.host)
        else:
            self._at_database[fault.kind](fault.seconds)

    def _kill_at_point(self, kill: Kill) -> None:
        self._orders.give(kill)
        deadline = time.monotonic() + ORDER_SECONDS
        while not self._orders.is_carried_out(kill):
            if time.monotonic() > deadline and self._orders.withdraw(kill):
                self._kill(next(host for host, role in ROLES.items() if role == kill.lane))
                return
            time.sleep(LOOK_SECONDS)

    def _kill(self, name: str) -> None:
        """Kill the program of a host, as soon as one runs there."""
        host = self._cluster.hosts[name]
        while not all(host.signal(program, signal.SIGKILL) for program in host.programs):
            if self._stopping.wait(LOOK_SECONDS):
                return
