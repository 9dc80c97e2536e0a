"""The bounded dictionary: the newest entries stay."""

from gateway.web.bounded import Bounded


def test_the_oldest_entry_goes_beyond_the_bound() -> None:
    kept = Bounded[str, int](2)
    for name in "abc":
        kept[name] = 1
    assert list(kept) == ["b", "c"]


def test_an_entry_that_is_set_again_is_the_newest() -> None:
    kept = Bounded[str, int](2)
    for name in "abac":
        kept[name] = 1
    assert list(kept) == ["a", "c"]
