"""What happens to bytes on their way: drawn by hypothesis, which finds the least that does harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

_HEADER = 700
_LENGTHS = (0, 1, 2, 6, 0x7F, 0xFF, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_KINDS = ("replace", "insert", "delete", "repeat", "length", "cut")
_MOST_AT_ONCE = 6


class Mutation(NamedTuple):
    """One change; `place` counts from the start, beyond the end from the start again."""

    kind: str
    place: int
    data: bytes
    count: int

    def __call__(self, original: bytes) -> bytes:
        place = self.place % (len(original) + 1)
        before, after = original[:place], original[place:]
        if self.kind == "replace":
            return before + self.data + after[len(self.data) :]
        if self.kind == "insert":
            return before + self.data + after
        if self.kind == "delete":
            return before + after[self.count :]
        if self.kind == "repeat":
            return before + after[: self.count] * 2 + after[self.count :]
        if self.kind == "length":
            order = "little" if self.count % 2 else "big"
            length = _LENGTHS[self.count % len(_LENGTHS)].to_bytes(4, order)
            return before + length + after[4:]
        return before


_mutation = st.builds(
    Mutation,
    kind=st.sampled_from(_KINDS),
    place=st.one_of(st.integers(0, _HEADER), st.integers(0, 1 << 20)),
    data=st.binary(min_size=1, max_size=8),
    count=st.integers(1, 400),
)


def mutated(originals: Sequence[bytes]) -> st.SearchStrategy[tuple[int, bytes]]:
    """Draw one of the originals, by number, and change it in a few places."""
    numbers = st.integers(0, len(originals) - 1)
    mutations = st.lists(_mutation, min_size=1, max_size=_MOST_AT_ONCE)
    return st.builds(lambda number, changes: (number, _all(changes, originals[number])), numbers, mutations)


def _all(mutations: Sequence[Mutation], original: bytes) -> bytes:
    for mutation in mutations:
        original = mutation(original)
    return original
