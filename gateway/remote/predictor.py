"""A model by several servers: shares a batch among them, and tells images that wait from images that fail.

The worker's pipeline calls it as any `Predictor`. An image waits while no server is proven; it fails only
where servers that are proven do not answer it alone, and answer others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

from gateway.errors import Reject, Retry
from gateway.model.card import ModelCard
from gateway.model.engines import Floats
from gateway.model.predictor import Predictor, Told
from gateway.records import ModelIdentity, Prediction, Reason
from gateway.remote.failures import Away, Broke, NotANumber, Unlike
from gateway.remote.replica import Replica
from gateway.remote.suspects import Suspects
from gateway.threads import bound_start

MOST_DOUBTS = 2  # proofs of one server for one request
LONGEST_SECONDS = 240.0  # of a batch: afterwards no image of it is sent alone, and the others wait
PLACE_SECONDS = 1.0  # interval of looking for a server that rests no more


class RemotePredictor(Predictor):
    """See `Predictor`; `identity` is that of the first server, in the settings' order, that is proven.

    Parameters
    ----------
    identity
        Until a server is proven.
    images_per_request
        Most images in a request, beside its reference image.
    requests_at_once
        Most requests to one server at a time.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        card: ModelCard,
        identity: ModelIdentity,
        images_per_request: int,
        requests_at_once: int,
    ) -> None:
        self.card, self.identity = card, identity
        self._replicas = replicas
        self._images_per_request = images_per_request
        self._most = requests_at_once
        self._places = threading.Condition()
        self._busy: Counter[str] = Counter()
        self._proving_aside: set[str] = set()
        self._suspects = Suspects()
        self._senders = ThreadPoolExecutor(len(replicas) * requests_at_once, "model server")

    @property
    def on_gpu(self) -> bool:
        """True: the batch is shared among the servers."""
        return True

    @property
    def passes_at_once(self) -> int:
        """One: the batch is shared among the servers."""
        return 1

    @property
    def problem(self) -> str | None:
        """Why no server answers; None where one is proven."""
        if any(replica.proven for replica in self._replicas):
            return None
        return self._told()

    def servers(self) -> list[tuple[str, str | None, str]]:
        """Return URL, engine where it is proven, and problem of each server."""
        found = [(replica, replica.proven) for replica in self._replicas]
        return [(each.url, by.identity.engine if by else None, each.problem) for each, by in found]

    def check(self) -> None:
        """Raise Retry unless a server is proven; prove those that are due for it."""
        if self.problem is None:
            return
        for replica in self._replicas:
            try:
                replica.predictor()
            except Away:
                continue
            self._note_identity()
            return
        raise Retry(self._told())

    def look_after(self) -> None:
        """Prove the servers that are due for it, and ask the proven ones whether they are still the same."""
        for replica in self._replicas:
            replica.look_after()
        self._note_identity()

    def warm_up(self) -> None:
        """Prove all servers; those that are away or refused rest, and the log knows."""
        self.look_after()

    def predict(self, images: Floats) -> list[Prediction]:
        """Return the prediction of each of n images; see `Predictor`.

        Raises
        ------
        Retry
            No server answers now.
        Reject
            An image that servers do not answer, or answer with what is no number.
        """
        found = []
        for told in self.predict_each(images):
            if not isinstance(told, Prediction):
                raise told
            found.append(told)
        return found

    def predict_each(self, images: Floats) -> list[Told]:
        """Return what became of each of n images: its prediction, or why it waits or fails."""
        until = monotonic() + LONGEST_SECONDS
        suspected = [image in self._suspects for image in images]
        whole = [n for n, alone in enumerate(suspected) if not alone]
        groups = [
            whole[n : n + self._images_per_request] for n in range(0, len(whole), self._images_per_request)
        ]
        told: dict[int, Told] = {}
        for group, found in zip(
            groups, self._senders.map(lambda each: self._group(images[each], until), groups), strict=True
        ):
            told.update(zip(group, found, strict=True))
        for number, alone in enumerate(suspected):
            if alone:
                told[number] = self._alone(images[number], until)
        return [told[number] for number in range(len(images))]

    def _group(self, images: Floats, until: float) -> Sequence[Told]:
        """Answer images together; where servers that are proven break over them, each alone."""
        try:
            return self._ask(images)
        except Away as problem:
            return [Retry(str(problem))] * len(images)
        except Broke:
            return [self._alone(image, until) for image in images]

    def _alone(self, image: Floats, until: float) -> Told:
        if monotonic() > until:
            return Retry("the model servers take too long; the image is sent alone later")
        try:
            if self._suspects.is_poison(image):
                self.check()  # servers are proven since it failed
                return Reject(Reason.POISON, "model servers answer other images, and never answered this one")
            return self._ask(image[None])[0]
        except Broke as problem:
            self._suspects.strike(image)
            return Retry(f"a model server did not answer an image that was sent alone: {problem}")
        except Retry as problem:
            return Retry(str(problem))

    def _ask(self, images: Floats) -> list[Prediction]:
        """Return the predictions of n images from one server; where it has none, it is another's turn.

        Raises
        ------
        Away
            No server is proven.
        Broke
            A server that is proven did not answer these images, or no server has a number for them.
        """
        away: set[str] = set()
        doubts: Counter[str] = Counter()
        without_number: dict[Replica, NotANumber] = {}
        while True:
            if without_number and not self._able(away):
                raise next(iter(without_number.values()))
            with self._place(away) as replica:
                try:
                    found = self._ask_one(replica, images)
                except Away:
                    away.add(replica.url)
                except NotANumber as problem:
                    without_number[replica] = problem
                    away.add(replica.url)
                except Unlike as problem:
                    doubts[replica.url] += 1
                    if doubts[replica.url] == MOST_DOUBTS:
                        replica.note_failure(Away(str(problem)))
                        away.add(replica.url)
                else:
                    self._suspects.note_answers(images)
                    for wrong, said in without_number.items():
                        wrong.note_failure(Away(f"{said}; another server has one for the same images"))
                    return found

    def _ask_one(self, replica: Replica, images: Floats) -> list[Prediction]:
        predictor = replica.predictor()
        self._note_identity()
        try:
            found = predictor.predict(images)
        except NotANumber:
            raise
        except (Away, Broke) as problem:
            replica.note_failure(problem)
            raise
        replica.note_answer()
        return found

    @contextmanager
    def _place(self, away: Collection[str]) -> Iterator[Replica]:
        """Take a place at the server that has most free ones; wait for one where all are taken."""
        replica = self._take(away)
        try:
            yield replica
        finally:
            with self._places:
                self._busy[replica.url] -= 1
                self._places.notify()

    def _take(self, away: Collection[str]) -> Replica:
        with self._places:
            while True:
                able = self._able(away)
                if not able:
                    raise Away(self._told())
                chosen = min(able, key=lambda each: self._busy[each.url])
                if self._busy[chosen.url] < self._most:
                    self._busy[chosen.url] += 1
                    return chosen
                self._places.wait(PLACE_SECONDS)

    def _able(self, away: Collection[str]) -> list[Replica]:
        """Return the servers that are proven; only where none is, those that images must wait for."""
        able = [each for each in self._replicas if each.url not in away and not each.rests]
        proven = [each for each in able if each.proven]
        if proven:
            for each in able:
                if each not in proven:
                    self._prove_aside(each)
        return proven or able

    def _prove_aside(self, replica: Replica) -> None:
        """Prove a server while others answer: images would wait for a silent one until its deadline."""

        def prove() -> None:
            try:
                replica.look_after()
            finally:
                self._proving_aside.discard(replica.url)

        if replica.url in self._proving_aside:
            return
        self._proving_aside.add(replica.url)
        thread = threading.Thread(target=prove, name="model server proof", daemon=True)
        bound_start(thread)
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had now
            self._proving_aside.discard(replica.url)

    def _told(self) -> str:
        problems = (f"{each.url}: {each.problem}" for each in self._replicas)
        return f"no model server answers: {'; '.join(problems)}"

    def _note_identity(self) -> None:
        proven = next(filter(None, (replica.proven for replica in self._replicas)), None)
        if proven is not None:
            self.identity = proven.identity
