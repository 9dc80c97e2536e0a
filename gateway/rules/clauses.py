"""The parts of a parsed condition; each is judged for one image, and says why it does not hold."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway.rules.attributes import Attributes
from gateway.rules.operand import Operand, Value
from gateway.rules.patterns import compiled

_COMPARED: dict[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Clause(Protocol):
    """A condition or a part of one. `holds` and `why_not` raise `Unclear`."""

    def holds(self, attributes: Attributes) -> bool:
        """Tell whether it holds for the image."""

    def why_not(self, attributes: Attributes) -> str:
        """Return why it does not hold, in words without patient data."""

    def operands(self) -> Iterator[Operand]:
        """Yield the attributes that it looks at."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An attribute compared with literals by `==`, `<`, …, or `in`; an absent one equals nothing."""

    text: str
    operand: Operand
    sign: str
    literals: tuple[Value, ...]

    def holds(self, attributes: Attributes) -> bool:
        """See `Clause`."""
        values = self.operand.values(attributes)
        if self.sign == "in":
            return any(value in self.literals for value in values)
        return any(_COMPARED[self.sign](value, self.literals[0]) for value in values)

    def why_not(self, attributes: Attributes) -> str:
        """See `Clause`."""
        return f"{self.text} does not hold: {self.operand.told(attributes)}"

    def operands(self) -> Iterator[Operand]:
        """See `Clause`."""
        yield self.operand


@dataclass(frozen=True, slots=True)
class Present:
    """An attribute has a value."""

    text: str
    operand: Operand

    def holds(self, attributes: Attributes) -> bool:
        """See `Clause`."""
        return bool(self.operand.stated(attributes))

    def why_not(self, attributes: Attributes) -> str:
        """See `Clause`."""
        return f"{self.text} does not hold: {self.operand.told(attributes)}"

    def operands(self) -> Iterator[Operand]:
        """See `Clause`."""
        yield self.operand


@dataclass(frozen=True, slots=True)
class Worded:
    """A text begins with, contains, or matches another one."""

    text: str
    operand: Operand
    function: str
    argument: str

    def holds(self, attributes: Attributes) -> bool:
        """See `Clause`."""
        return any(self._fits(str(value)) for value in self.operand.values(attributes))

    def why_not(self, attributes: Attributes) -> str:
        """See `Clause`."""
        return f"{self.text} does not hold: {self.operand.told(attributes)}"

    def operands(self) -> Iterator[Operand]:
        """See `Clause`."""
        yield self.operand

    def _fits(self, value: str) -> bool:
        if self.function == "startswith":
            return value.startswith(self.argument)
        if self.function == "contains":
            return self.argument in value
        return compiled(self.argument).search(value) is not None


@dataclass(frozen=True, slots=True)
class Negated:
    """A part does not hold."""

    text: str
    part: Clause

    def holds(self, attributes: Attributes) -> bool:
        """See `Clause`."""
        return not self.part.holds(attributes)

    def why_not(self, attributes: Attributes) -> str:
        """See `Clause`."""
        names = dict.fromkeys(each.told(attributes) for each in self.part.operands())
        return f"{self.text} does not hold: {', '.join(names)}"

    def operands(self) -> Iterator[Operand]:
        """See `Clause`."""
        yield from self.part.operands()


@dataclass(frozen=True, slots=True)
class All:
    """All parts hold (`and`), judged from the left until one does not."""

    parts: tuple[Clause, ...]

    def holds(self, attributes: Attributes) -> bool:
        """See `Clause`."""
        return all(part.holds(attributes) for part in self.parts)

    def why_not(self, attributes: Attributes) -> str:
        """See `Clause`."""
        return next((part.why_not(attributes) for part in self.parts if not part.holds(attributes)), "")

    def operands(self) -> Iterator[Operand]:
        """See `Clause`."""
        for part in self.parts:
            yield from part.operands()


@dataclass(frozen=True, slots=True)
class Either:
    """One of the parts holds (`or`), judged from the left until one does."""

    parts: tuple[Clause, ...]

    def holds(self, attributes: Attributes) -> bool:
        """See `Clause`."""
        return any(part.holds(attributes) for part in self.parts)

    def why_not(self, attributes: Attributes) -> str:
        """See `Clause`."""
        return "; ".join(part.why_not(attributes) for part in self.parts)

    def operands(self) -> Iterator[Operand]:
        """See `Clause`."""
        for part in self.parts:
            yield from part.operands()
