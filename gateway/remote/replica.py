"""One model server: whether it is proven, whether it rests after a failure, what the log is told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from gateway.model.predictor import Predictor
from gateway.remote.failures import Away, Broke, Busy
from gateway.remote.proof import ProvenEngine, RemoteModel, prove
from gateway.remote.server import Described, Transport
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 30.0
"""A server that fails is left alone for so long, twice as long each time (circuit breaker)."""


class Replica:
    """A server and the proof of its models. Any thread may call it.

    Parameters
    ----------
    url
        For the log.
    open_predictor
        Opens the model with the engine of a proven server.
    """

    def __init__(
        self,
        url: str,
        transport: Transport,
        model: RemoteModel,
        open_predictor: Callable[[ProvenEngine], Predictor],
    ) -> None:
        self.url = url
        self.problem = "it was not asked yet"
        self._transport, self._model, self._open_predictor = transport, model, open_predictor
        self._predictor: Predictor | None = None
        self._described: Described | None = None
        self._proving = threading.Lock()
        self._rests_until = 0.0
        self._rest_seconds = FIRST_REST_SECONDS
        self._told: Event | None = None

    @property
    def rests(self) -> bool:
        """Tell whether the server is left alone after a failure."""
        return monotonic() < self._rests_until

    @property
    def proven(self) -> Predictor | None:
        """The model by this server, None unless it is proven and does not rest."""
        return None if self.rests else self._predictor

    def predictor(self) -> Predictor:
        """Return the model by this server; prove it first where that is due.

        Raises
        ------
        Away
            It rests, is away, or does not give the reference answers.
        """
        with self._proving:
            if self.rests:
                raise Away(self.problem)
            if self._predictor is None:
                with self._failures_rest():
                    self._predictor = self._prove()
                self.note_answer()
                self._tell(Event.MODEL_SERVER_PROVEN, engine=self._predictor.identity.engine)
            return self._predictor

    def note_answer(self) -> None:
        """Note that the server has answered: it needs no rest."""
        self.problem = ""
        self._rest_seconds = FIRST_REST_SECONDS

    def note_failure(self, failure: Away | Broke) -> None:
        """Note that the server did not answer: it rests, or is proven again before its next answer counts."""
        if isinstance(failure, Away):
            self._rest(str(failure), Event.MODEL_SERVER_AWAY, keeps_proof=isinstance(failure, Busy))
        else:
            self._predictor = None
            self.problem = str(failure)

    def look_after(self) -> None:
        """Prove a server that is due for it; ask a proven one whether it is still the same.

        A server that answers is asked, too: a proxy hides that it was restarted as another program.
        """
        try:
            if self.proven is None:
                self.predictor()
            else:
                self._look_again()
        except Away:
            return  # it rests, and the log knows

    def _look_again(self) -> None:
        with self._proving, self._failures_rest():
            described = self._transport.describe(self._model.networks)
        if described != self._described:
            self._predictor = None
            self.predictor()

    def _prove(self) -> Predictor:
        self._transport.forget()
        self._described = self._transport.describe(self._model.networks)
        name = f"{self._described.program or 'model server'} {self._model.precision}"
        return self._open_predictor(prove(self._model, self._transport, name))

    @contextmanager
    def _failures_rest(self) -> Iterator[None]:
        try:
            yield
        except Away as problem:
            self.note_failure(problem)
            raise
        except Broke as problem:
            event = Event.MODEL_SERVER_REFUSED if problem.is_refusal else Event.MODEL_SERVER_AWAY
            self._rest(str(problem), event)
            raise Away(self.problem) from problem

    def _rest(self, problem: str, event: Event, *, keeps_proof: bool = False) -> None:
        self.problem = problem
        if not keeps_proof:
            self._predictor = None
        self._rests_until = monotonic() + self._rest_seconds
        self._rest_seconds = min(2 * self._rest_seconds, LONGEST_REST_SECONDS)
        self._tell(event, reason=problem)

    def _tell(self, event: Event, **details: object) -> None:
        """Tell the log of a change; a server that stays as it is is told once."""
        if self._told is not event:
            self._told = event
            log_event(event, server=self.url, **details)
