"""Plain data that an object of the answer's says of itself, as the tests get to see it.

A test that expects a text calls its startswith; an object that was returned in its place would have
one too, which says whatever a test takes for true, or for false. So what such an object says is
compared with what the test knows, and decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Number
from typing import Any, NoReturn

from megatron_urpo.rewards.sandbox.wire import Writer

_REFUSAL = "an object that the answer returned does not get to say yes or no"


class StandIn:
    """Base of what stands for an object of the answer's, which is no plain data."""

    __slots__ = ()


class Hearsay:
    """A value that equals what the value equals, but is neither true nor false and has no order.

    An order would let an object whose `index` counts its own calls pass for a sorted list. A
    difference from a number of the test's is a plain number, for comparisons within a tolerance;
    sums are none, since tests count what is true with them.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        """Takes plain data.

        Raises TypeError for True and False: `is not False` would not ask.
        """
        if isinstance(value, bool):
            raise TypeError(_REFUSAL)
        object.__setattr__(self, "_value", value)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(plain(self))  # isinstance asks for no more than a type

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bool) or type(other) is Hearsay:
            raise TypeError(_REFUSAL)
        return bool(plain(self) == other)

    def __hash__(self) -> int:
        return hash(plain(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(plain(self), name)  # of Python's own types, or of the tests' classes

    def __len__(self) -> int:
        return len(plain(self))

    def __iter__(self) -> Iterator[Any]:
        return map(heard, plain(self))

    def __getitem__(self, key: Any) -> Any:
        return heard(plain(self)[key])

    def __contains__(self, item: Any) -> bool:
        return item in plain(self)

    def __sub__(self, other: Any) -> Any:
        return plain(self) - other if self._is_number(other) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return other - plain(self) if self._is_number(other) else NotImplemented

    def _is_number(self, other: Any) -> bool:
        return type(other) is not Hearsay and isinstance(plain(self), Number)

    def __round__(self, digits: int | None = None) -> Any:
        return Hearsay(round(plain(self), digits))

    def __float__(self) -> float:
        return float(plain(self))

    def __format__(self, form: str) -> str:
        return format(plain(self), form)

    def __str__(self) -> str:
        return str(plain(self))

    def __repr__(self) -> str:
        return repr(plain(self))

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError(_REFUSAL)

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse


def plain(heard: Any) -> Any:
    """The value itself, where it is hearsay."""
    return object.__getattribute__(heard, "_value") if type(heard) is Hearsay else heard


def heard(value: Any) -> Any:
    """A value as hearsay, unless it is a stand-in, which decides nothing by itself."""
    return value if isinstance(value, StandIn) else Hearsay(value)


class ArgumentWriter(Writer):
    """Writes hearsay as what it says: answers get it back as data."""

    def _value(self, value: Any) -> Any:
        return super()._value(plain(value))
