"""Conditions on header attributes, as `routes` state them: `Modality == 'DX' and PatientAge >= 18`.

The settings parse a condition when they are read; `deliver.routing` judges it for an image. The syntax is
Python's, of which `ast` makes a tree; of that tree only the nodes named here are taken, and nothing is ever
evaluated as Python. A condition has a bounded size, no loops, and regular expressions of linear time.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from gateway.rules.attributes import Attributes
from gateway.rules.clauses import All, Clause, Compared, Either, Negated, Present, Worded
from gateway.rules.operand import Operand, Value, operand, problem_with_path
from gateway.rules.patterns import LONGEST_PATTERN, compiled

LONGEST = 1000
"""Characters of a condition."""

_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE = {"!=": "==", "not in": "in"}
_WORDED = ("startswith", "contains", "matches")
_FUNCTIONS = ("present", "absent", "any", *_WORDED)
_LITERALS = (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.UnaryOp)
_NO_ATTRIBUTE = "write an attribute by its keyword (PS3.6), as Modality; private ones have none"


class ConditionError(ValueError):
    """A condition cannot be read; the text has every problem with its line and column."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition."""

    text: str
    clause: Clause

    @property
    def names(self) -> Collection[str]:
        """The attributes that it looks at, as `attributes_of` takes them."""
        return frozenset(each.name for each in self.clause.operands())

    def holds(self, attributes: Attributes) -> bool:
        """Tell whether it holds for an image.

        Raises
        ------
        Unclear
            If a value is to be a number and is none.
        """
        return self.clause.holds(attributes)

    def why_not(self, attributes: Attributes) -> str:
        """Return why it does not hold, without patient data; `Unclear` as `holds`."""
        return self.clause.why_not(attributes)


@lru_cache(maxsize=256)
def parse(text: str) -> Condition:
    """Parse a condition.

    Raises
    ------
    ConditionError
        With all problems, each at its place.
    """
    if len(text) > LONGEST:
        raise ConditionError(f"has {len(text)} characters, and may have {LONGEST}")
    line = " ".join(text.splitlines())  # a tree of one line, whatever the file folds
    begin = len(line) - len(line.lstrip())
    reader = _Reader(line[begin:])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # backslashes: `_Reader` has its own word on them
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(reader.text, mode="eval")
        clause = reader.clause(tree.body)
    except SyntaxError as error:
        problem = error.msg if reader.text else "is empty"
        reader.problems.append((max((error.offset or 1) - 1, 0), problem))
    except (ValueError, RecursionError, MemoryError):
        reader.problems.append((0, "is nested too deeply, or holds a NUL"))
    if reader.problems:
        raise ConditionError("; ".join(_placed(text, begin + at, told) for at, told in reader.problems))
    return Condition(text, clause)


def _placed(text: str, offset: int, told: str) -> str:
    before = text[:offset].splitlines() or [""]
    line, column = len(before), len(before[-1]) + 1
    place = f"line {line}, column {column}" if len(text.splitlines()) > 1 else f"column {column}"
    return f"{place}: {told}"


class _Bad(Exception):  # noqa: N818 - describes the text
    """A part cannot be read; its problem is noted."""


class _Reader:
    """Turns Python's tree into clauses, and notes every problem with its offset."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[tuple[int, str]] = []

    def clause(self, node: ast.expr) -> Clause:
        """Return a part as a clause; where it has problems, what is returned is of no use."""
        try:
            return self._clause(node)
        except _Bad:
            return All(())

    def _clause(self, node: ast.expr) -> Clause:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self.clause(each) for each in values)
                return All(parts) if isinstance(op, ast.And) else Either(parts)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return Negated(self._source(node), self.clause(part))
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Name() | ast.Attribute():
                name = self._operand(node).name
                raise self._bad(node, f"{name} alone is no condition: write present({name}), or compare it")
        raise self._bad(node, "neither a comparison nor a function: and, or, not, ==, in, … are known")

    def _comparison(self, node: ast.Compare) -> Clause:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        parts = tuple(self._compared(node, *each) for each in pairs)
        return parts[0] if len(parts) == 1 else All(parts)

    def _compared(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Clause:
        sign = _SIGNS.get(type(op))
        if sign is None:
            raise self._bad(node, "`is` compares no values: write ==")
        if isinstance(left, _LITERALS) and not isinstance(right, _LITERALS) and sign in _TURNED:
            left, right, sign = right, left, _TURNED[sign]
        this = self._operand(left)
        if sign in ("in", "not in"):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise self._bad(
                    right, "write a list after `in`, as ['CR', 'DX']; contains() looks within a text"
                )
            literals = tuple(self._literal(each, this) for each in right.elts)
        else:
            literals = (self._literal(right, this),)
        if sign not in ("==", "!=", "in", "not in") and not this.is_ordered:
            raise self._bad(node, f"{this.name} is text, which has no order: use ==, in or matches()")
        if sign in _OPPOSITE and this.every:
            raise self._bad(node, f"write not {this} {_OPPOSITE[sign]} …: no value equals it")
        text = self._source(node)
        compared = Compared(text, this, _OPPOSITE.get(sign, sign), literals)
        return Negated(text, compared) if sign in _OPPOSITE else compared

    def _call(self, node: ast.Call) -> Clause:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS:
            raise self._bad(node, f"no such function; there are {', '.join(_FUNCTIONS)}")
        count = 2 if name in _WORDED else 1
        if len(node.args) != count or node.keywords:
            raise self._bad(
                node, f"{name}() takes {'an attribute and a text' if count == 2 else 'one attribute'}"
            )
        this = self._operand(node.args[0])
        if name == "any":
            raise self._bad(node, f"{this} alone is no condition: compare it")
        text = self._source(node)
        if name in _WORDED:
            return Worded(text, this, name, self._argument(name, this, node.args[1]))
        present = Present(text, this)
        return present if name == "present" else Negated(text, present)

    def _argument(self, function: str, this: Operand, node: ast.expr) -> str:
        literal = self._text(node) if isinstance(node, ast.Constant) else None
        if not isinstance(literal, str):
            raise self._bad(node, f"{function}() takes a text in quotes")
        if this.is_number:
            raise self._bad(node, f"{this.name} is a number: compare it")
        if function != "matches":
            return str(this.literal(literal))
        if len(literal) > LONGEST_PATTERN:
            raise self._bad(node, f"a pattern may have {LONGEST_PATTERN} characters")
        try:
            compiled(literal)
        except ValueError as error:
            raise self._bad(node, f"no pattern of RE2: {error}") from None
        return literal

    def _operand(self, node: ast.expr) -> Operand:
        every = False
        match node:
            case ast.Call(func=ast.Name(id="any"), args=[inner], keywords=[]):
                node, every = inner, True
        path = _path(node)
        if not path:
            raise self._bad(node, _NO_ATTRIBUTE)
        if problem := problem_with_path(path):
            raise self._bad(node, problem)
        return operand(path, every=every)

    def _literal(self, node: ast.expr, this: Operand) -> Value:
        match node:
            case ast.Constant():
                value: object = self._text(node)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                value = -number
            case _:
                raise self._bad(node, f"compare {this.name} with a text in quotes or a number")
        if problem := this.problem_with(value):
            raise self._bad(node, problem)
        return this.literal(cast(Value, value))

    def _text(self, node: ast.Constant) -> object:
        """Return a literal; a backslash is one only where Python's own escapes are off."""
        source = self._source(node)
        if isinstance(node.value, str) and "\\" in source and source[:1] not in "rR":
            raise self._bad(node, f"write r before the quote, as r{source}: a backslash then stays one")
        return node.value

    def _source(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.text, node) or ast.unparse(node)

    def _bad(self, node: ast.expr, problem: str) -> _Bad:
        offset = len(self.text.encode()[: node.col_offset].decode("utf-8", "ignore"))
        self.problems.append((offset, problem))
        return _Bad()


def _path(node: ast.expr) -> list[str]:
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(value=inner, attr=name):
            above = _path(inner)
            return [*above, name] if above else []
    return []
