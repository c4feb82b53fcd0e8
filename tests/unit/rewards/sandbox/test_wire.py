"""Values that travel between an answer and its tests."""

import collections
import datetime
import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.rewards.sandbox.wire import Reader, ResultReader, WireError, Writer


class Node:
    def __init__(self, value=0, next=None):
        self.value = value
        self.next = next


class Slotted:
    __slots__ = ("left", "right")


CLASSES = {"Node": Node, "Slotted": Slotted}


def there(*values, handle=None):
    """The values after a journey, as JSON text on the way."""
    writer = Writer(CLASSES, handle) if handle else Writer(CLASSES)
    return Reader(CLASSES).read(json.loads(json.dumps(writer.write(*values))))


HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
)
VALUES = st.recursive(
    HASHABLE | st.complex_numbers(allow_nan=False),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(collections.deque),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.sets(HASHABLE, max_size=3),
    ),
)


def same(left, right):
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple | collections.deque):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left == right and all(map(same, left.values(), right.values()))
    return left == right


@given(st.lists(VALUES, max_size=3))
def test_values_arrive_as_they_were(values):
    assert same(there(*values), values)


def test_large_numbers_ranges_and_iterators():
    number = 7**10_000
    (huge, nan, steps, mapped) = there(number, math.nan, range(9, 1, -2), map(str, [1, 2]))
    assert huge == number
    assert math.isnan(nan)
    assert steps == range(9, 1, -2)
    assert next(mapped) == "1" and list(mapped) == ["2"]


def test_values_of_derived_types_arrive_as_plain_data():
    class Same(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    class Text(str):
        def __eq__(self, other):
            return True

        def __str__(self):
            return "other"

        __hash__ = str.__hash__

    Pair = collections.namedtuple("Pair", "x y")
    values = [Same(3), Text("a"), Pair(1, 2), collections.Counter("aa"), collections.defaultdict()]
    assert same(there(*values), [3, "a", (1, 2), {"a": 2}, {}])


def test_long_lists_cycles_and_shared_objects():
    head = None
    for value in range(20_000):
        head = Node(value, head)
    (arrived,) = there(head)
    values = []
    while arrived is not None:
        assert type(arrived) is Node
        values.append(arrived.value)
        arrived = arrived.next
    assert values == list(range(19_999, -1, -1))

    cycle = Node(1)
    cycle.next = Node(2, cycle)
    slotted = Slotted()
    slotted.left = cycle
    first, second = there(cycle, [slotted])
    assert first.next.next is first
    assert second[0].left is first
    assert not hasattr(second[0], "right")


def test_what_cannot_travel_is_refused_or_handed_out():
    with pytest.raises(WireError, match="type object cannot be passed on"):
        there(object())
    deep = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        there(deep)
    written = Writer({}, lambda value: ["handle", 5]).write([print])
    assert Reader({}, lambda number: number + 1).read(written) == [[6]]


MESSAGES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["values", "objects", "list", "dict", "int", "object", "handle", "Node", "bytes", "range"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["values", "objects", "__class__"]), inner, max_size=3)
    ),
)


@given(MESSAGES | st.fixed_dictionaries({"values": st.lists(MESSAGES), "objects": st.just([])}))
def test_any_message_is_read_or_refused(message):
    """Whatever an answer writes to the pipe makes plain data or one error."""
    try:
        values = Reader(CLASSES).read(message)
    except WireError:
        return
    for value in values:
        assert type(value).__module__ in ("builtins", "collections", __name__)


@pytest.mark.parametrize(
    "message",
    [
        {"values": [["object", 0]], "objects": [["Unknown", {}]]},
        {"values": [["object", 0]], "objects": [["Node", {"__class__": 3}]]},
        {"values": [["object", 1]], "objects": [["Node", {}]]},
        {"values": [["set", [["list", []]]]], "objects": []},
        {"values": [["handle", 0]], "objects": []},
        {"values": [{"a": 1}], "objects": []},
        {"values": [["eval", "1"]], "objects": []},
        {"values": 3, "objects": []},
    ],
)
def test_forged_messages_are_refused(message):
    with pytest.raises(WireError):
        Reader(CLASSES).read(message)


def written(*values):
    return json.loads(json.dumps(Writer(CLASSES).write(*values)))


def test_results_have_texts_for_keys_and_no_sets():
    value = {1: [True], (1, "a"): {"x": 2.5}, "b": None}
    assert ResultReader().read(written(value)) == [{"1": [True], "(1, 'a')": {"x": 2.5}, "b": None}]
    for refused in ({1}, frozenset({1}), {1: 2, "1": 3}, Node()):
        with pytest.raises(WireError):
            ResultReader().read(written([refused]))


def test_results_whose_hashes_collide_are_read_in_no_time():
    """As keys of a table they would take minutes."""
    prime = (1 << 61) - 1
    assert hash(5 * prime) == hash(7 * prime)
    pairs = [[["int", hex(k * prime)], 0] for k in range(1, 100_000)]
    (value,) = ResultReader().read({"values": [["dict", pairs]], "objects": []})
    assert len(value) == len(pairs)
    items = [item for item, _ in pairs]
    with pytest.raises(WireError):
        ResultReader().read({"values": [["set", items]], "objects": []})


class Shown:
    count = 0
    size = property(lambda self: 3)

    def same(self, other):
        return False


@pytest.mark.parametrize("name", ["same", "size", "__class__", "__dict__", "__eq__"])
def test_attributes_do_not_take_the_place_of_methods(name):
    for value in (1, ["dict", [["same", 1]]], ["list", []]):
        message = {"values": [["object", 0]], "objects": [["Shown", {name: value}]]}
        with pytest.raises(WireError):
            Reader({"Shown": Shown}).read(message)


def test_attributes_are_data():
    attributes = {"count": 5, "other": 6, "own": ["handle", 0]}
    message = {"values": [["object", 0]], "objects": [["Shown", attributes]]}
    (value,) = Reader({"Shown": Shown}, lambda number: number).read(message)
    assert vars(value) == {"count": 5, "other": 6}


@pytest.mark.parametrize(
    "value",
    [
        Fraction(1, 3),
        Decimal("0.10"),
        Decimal("NaN"),
        datetime.date(2020, 2, 29),
        datetime.datetime(2020, 2, 29, 1, 2, 3, 4),
        datetime.timedelta(-1, 2, 3),
    ],
)
def test_numbers_and_dates_of_the_standard_library(value):
    ((read,),) = there([value])
    assert type(read) is type(value)
    assert str(read) == str(value)
    with pytest.raises(WireError):
        ResultReader().read(written(value))


@pytest.mark.parametrize(
    ("tag", "content"),
    [("fraction", [1, 0]), ("decimal", ["x"]), ("decimal", [[1, 2, 3]]), ("date", [2021, 2, 29])],
)
def test_numbers_and_dates_that_are_none(tag, content):
    with pytest.raises(WireError):
        Reader({}).read({"values": [[tag, content]], "objects": []})
