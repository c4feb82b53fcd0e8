"""Values of Python as JSON, for calls between an answer and its tests. Nothing is ever unpickled.

Numbers, texts, true, false and null stand for themselves; everything else is a list that begins
with a tag. Objects of classes that the setup of the tests defines (ListNode, TreeNode) travel as
the names and values of their attributes, in a table, so that lists may be long and graphs have
cycles. What cannot travel stays where it is, and a handle travels: ["handle", number].

The reader makes nothing but Python's own types and instances of its own classes, so a value that
an answer made compares and counts as plain data.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

_SAFE_INTEGER = 1 << 53
_ITERATORS: tuple[type[Iterable[Any]], ...] = (
    map,
    filter,
    zip,
    enumerate,
    reversed,
    type(_ for _ in ()),
    type(iter([])),
    type(iter(())),
    type(iter({}.keys())),
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


class WireError(ValueError):
    """A value that cannot be written, or a text that is none of this module's."""


def _refuse(value: Any) -> list[Any]:
    raise WireError(f"a value of type {type(value).__name__} cannot be passed on")


class Writer:
    """Makes JSON of values."""

    def __init__(
        self,
        classes: Mapping[str, type],
        handle: Callable[[Any], list[Any]] = _refuse,
    ) -> None:
        """Takes the classes that both sides know, by name, and what makes a handle of the rest."""
        self._classes = classes
        self._handle = handle
        self._numbers: dict[int, int] = {}  # id of an object -> its place in the table
        self._queue: list[Any] = []  # the table

    def write(self, *values: Any) -> dict[str, Any]:
        """The values, and the objects in them.

        Raises WireError, and RecursionError for containers too deep.
        """
        self._numbers, self._queue = {}, []
        written = [self._value(value) for value in values]
        objects = []
        for each in self._queue:  # grows while it is read
            attributes = {name: self._value(value) for name, value in _attributes(each).items()}
            objects.append([type(each).__name__, attributes])
        return {"values": written, "objects": objects}

    def _value(self, value: Any) -> Any:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int):
            number = int(value)
            return number if abs(number) < _SAFE_INTEGER else ["int", hex(number)]
        if isinstance(value, float):
            real = float(value)
            return real if math.isfinite(real) else ["float", repr(real)]
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, Mapping):
            pairs = [[self._value(key), self._value(item)] for key, item in value.items()]
            return ["dict", pairs]
        for kind, tag in _SEQUENCES.items():
            if isinstance(value, kind):
                return [tag, [self._value(item) for item in value]]
        return self._other(value)

    def _other(self, value: Any) -> Any:
        match value:
            case fractions.Fraction():
                return ["fraction", [self._value(value.numerator), self._value(value.denominator)]]
            case decimal.Decimal():
                return ["decimal", [decimal.Decimal.__str__(value)]]
            case datetime.datetime(tzinfo=None):
                return ["datetime", [*value.timetuple()[:6], value.microsecond]]
            case datetime.date() if not isinstance(value, datetime.datetime):
                return ["date", list(value.timetuple()[:3])]
            case datetime.timedelta():
                return ["timedelta", [value.days, value.seconds, value.microseconds]]
            case bytes() | bytearray():
                return ["bytes", value.hex()]
            case complex():
                return ["complex", [self._value(value.real), self._value(value.imag)]]
            case range():
                return ["range", [self._value(x) for x in (value.start, value.stop, value.step)]]
        if isinstance(value, _ITERATORS):
            return ["iterator", [self._value(item) for item in value]]
        if type(value).__name__ in self._classes:
            if id(value) not in self._numbers:
                self._numbers[id(value)] = len(self._queue)
                self._queue.append(value)
            return ["object", self._numbers[id(value)]]
        if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
            return self._value(value.tolist())
        return self._handle(value)


_SEQUENCES: dict[type[Iterable[Any]], str] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    collections.deque: "deque",
}
_MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "iterator": iter,
    "fraction": lambda items: fractions.Fraction(*items),
    "decimal": lambda items: decimal.Decimal(*items),
    "date": lambda items: datetime.date(*items),
    "datetime": lambda items: datetime.datetime(*items),
    "timedelta": lambda items: datetime.timedelta(*items),
}
# Those of values that JSON could stand for.
_RESULT_MAKERS = MappingProxyType(
    {tag: _MAKERS[tag] for tag in ("list", "tuple", "deque", "iterator")}
)


def _attributes(value: Any) -> dict[str, Any]:
    found = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                found[name] = getattr(value, name)
    return found


class Reader:
    """Makes values of JSON."""

    _makers: Mapping[str, Callable[[list[Any]], Any]] = _MAKERS

    def __init__(
        self,
        classes: Mapping[str, type],
        handle: Callable[[int], Any] | None = None,
    ) -> None:
        """Takes the classes that both sides know, by name, and what stands for a handle."""
        self._classes = classes
        self._handle = handle
        self._objects: list[Any] = []

    def read(self, message: Any) -> list[Any]:
        """The values of what Writer.write made.

        Raises WireError for anything else, and RecursionError for containers too deep.
        """
        try:
            # First bare objects, then their attributes, which may be any of them.
            self._objects = [object.__new__(self._classes[name]) for name, _ in message["objects"]]
            for each, (_, attributes) in zip(self._objects, message["objects"], strict=True):
                for name, value in attributes.items():
                    self._set_attribute(each, name, value)
            return [self._value(value) for value in message["values"]]
        except WireError:
            raise
        except (
            ArithmeticError,  # of decimals; an overflow is one
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            raise WireError(f"not a value of the wire: {error!r}") from error

    def _set_attribute(self, each: Any, name: str, written: Any) -> None:
        """Data only: what tests call on an object is what its class here says."""
        match written:
            case ["handle", *_]:
                return
        found = inspect.getattr_static(type(each), name, None)
        is_data = not callable(found) and not hasattr(type(found), "__get__")
        if not (is_data or inspect.ismemberdescriptor(found)):
            raise WireError(f"{name!r} is no attribute of an object, but its class's")
        object.__setattr__(each, name, self._value(written))

    def _value(self, written: Any) -> Any:
        if not isinstance(written, list):
            if isinstance(written, dict):
                raise WireError("an object where a value has to be")
            return written
        tag, content = written
        if tag in self._makers:
            return self._makers[tag](list(self._values(content)))
        match tag:
            case "dict":
                return self._mapping((self._value(key), self._value(item)) for key, item in content)
            case "int":
                return int(content, 16)
            case "float":
                return float(content)
            case "bytes":
                return bytes.fromhex(content)
            case "complex":
                real, imaginary = self._values(content)
                return complex(real, imaginary)
            case "range":
                return range(*self._values(content))
            case "object":
                return self._objects[content]
            case "handle" if self._handle is not None and isinstance(content, int):
                return self._handle(content)
        raise WireError(f"{tag!r} is no tag")

    def _mapping(self, pairs: Iterator[tuple[Any, Any]]) -> dict[Any, Any]:
        return dict(pairs)

    def _values(self, content: Any) -> Iterator[Any]:
        return (self._value(item) for item in content)


class ResultReader(Reader):
    """Makes values that are compared with JSON, in time linear in their text.

    For use outside a sandbox: an answer that names its numbers well has all of them collide in a
    table of hashes, which then takes quadratic time. So keys of dictionaries are read as their
    texts, as JSON has them; sets and other types that JSON does not have are refused.
    """

    _makers = _RESULT_MAKERS

    def __init__(self) -> None:
        super().__init__({})

    def _mapping(self, pairs: Iterator[tuple[Any, Any]]) -> dict[Any, Any]:
        found: dict[str, Any] = {}
        for key, item in pairs:
            text = str(key)
            if isinstance(key, list | dict | collections.deque) or text in found:
                raise WireError(f"{text!r} is no key, or is one twice")
            found[text] = item
        return found
