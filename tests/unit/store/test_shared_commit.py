"""Threads that wait share a commit; an error is the error of those whom it concerns."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from gateway.store.shared_commit import SharedCommit
from tests.support.gateway_process import wait_for

OTHERS = 5


class Database:
    """Commits numbers as soon as `answers` is set; remembers them commit by commit."""

    def __init__(self) -> None:
        self.began = Event()
        self.answers = Event()
        self.committed: list[list[int]] = []
        self.fail: Callable[[Sequence[int]], None] = lambda _: None

    def commit(self, numbers: Sequence[int]) -> list[str]:
        self.began.set()
        self.answers.wait()
        self.fail(numbers)
        self.committed.append(list(numbers))
        return [str(number) for number in numbers]


def commit_behind_the_first(database: Database) -> list[Future[str]]:
    """Commit 0, then 1 to 5 by other threads while the database is busy with 0."""
    shared = SharedCommit(database.commit, (ValueError,))
    with ThreadPoolExecutor(1 + OTHERS) as pool:
        calls = [pool.submit(shared, 0)]
        database.began.wait()
        calls += [pool.submit(shared, number) for number in range(1, 1 + OTHERS)]
        wait_for(lambda: len(shared._waiting) == OTHERS)
        database.answers.set()
    return calls


def test_those_who_wait_share_the_next_commit() -> None:
    database = Database()
    calls = commit_behind_the_first(database)
    assert [call.result() for call in calls] == ["0", "1", "2", "3", "4", "5"]
    assert [sorted(together) for together in database.committed] == [[0], [1, 2, 3, 4, 5]]


def test_the_fault_of_one_item_harms_no_other() -> None:
    def fail(numbers: Sequence[int]) -> None:
        if 3 in numbers:
            raise ValueError

    database = Database()
    database.fail = fail
    calls = commit_behind_the_first(database)
    assert isinstance(calls[3].exception(), ValueError)
    assert [call.result() for call in calls if call is not calls[3]] == ["0", "1", "2", "4", "5"]


def test_a_database_that_is_away_is_away_for_all() -> None:
    def fail(numbers: Sequence[int]) -> None:
        if 0 not in numbers:
            raise ConnectionError

    database = Database()
    database.fail = fail
    calls = commit_behind_the_first(database)
    assert calls[0].result() == "0"
    assert all(isinstance(call.exception(), ConnectionError) for call in calls[1:])
    with pytest.raises(ConnectionError):
        SharedCommit(database.commit)(1)
