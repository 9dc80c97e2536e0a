"""Beyond the limit only the message that began first is read on."""

from typing import cast

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.events import Event

from gateway.receive.memory import Memory


def associations(count: int) -> list[Association]:
    return [Association(ApplicationEntity(), "acceptor") for _ in range(count)]


def answered(assoc: Association) -> Event:
    class PDUSent:
        def __init__(self) -> None:
            self.assoc = assoc

    return cast(Event, PDUSent())


def test_within_the_limit_everybody_reads() -> None:
    first, second = associations(2)
    memory = Memory(100)
    memory.hold(first, 99)
    assert memory.has_room(first)
    assert memory.has_room(second)


def test_beyond_it_the_first_goes_on_alone_then_the_next() -> None:
    first, second, third = associations(3)
    memory = Memory(100)
    for assoc in (first, second):
        memory.hold(assoc, 50)
    memory.hold(first, 60)
    assert [memory.has_room(each) for each in (first, second, third)] == [True, False, False]
    memory.release(answered(first))
    memory.hold(second, 60)
    assert [memory.has_room(each) for each in (first, second, third)] == [False, True, False]


def test_what_is_answered_counts_no_more() -> None:
    first, second = associations(2)
    memory = Memory(100)
    memory.hold(first, 200)
    for _ in range(2):  # a second PDU changes nothing
        memory.release(answered(first))
    assert memory.has_room(second)
