"""tf.Example messages for the tests: built and read by the protobuf library, value by value, as the oracle."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from trueline.data.tf_example_proto import example_class, sequence_example_class

LISTS = {"bytes": "bytes_list", "float": "float_list", "int": "int64_list"}


def fill(feature, given) -> None:
    """``(kind, values)``; None: no kind."""
    if given is not None:
        kind, values = given
        chosen = getattr(feature, LISTS[kind])
        chosen.SetInParent()
        chosen.value.extend(values)


def example(**features) -> bytes:
    """An Example: ``example(a=("int", [1]), b=None)``."""
    message = example_class()()
    for name, given in features.items():
        fill(message.features.feature[name], given)
    return message.SerializeToString(deterministic=True)


def sequence(context: dict, lists: dict) -> bytes:
    """A SequenceExample; each list is a list of features."""
    message = sequence_example_class()()
    for name, given in context.items():
        fill(message.context.feature[name], given)
    for name, steps in lists.items():
        chosen = message.feature_lists.feature_list[name]
        for given in steps:
            fill(chosen.feature.add(), given)
    return message.SerializeToString(deterministic=True)


def values(feature):
    """A feature's values; None without a kind."""
    kind = feature.WhichOneof("kind")
    return None if kind is None else (kind, list(getattr(feature, kind).value))


def read(record: bytes) -> dict:
    """Name -> (kind, values) or None, as protobuf reads the record. Raises what protobuf raises."""
    return {name: values(f) for name, f in example_class().FromString(record).features.feature.items()}


def varint(value: int, extra: int = 0) -> bytes:
    """With `extra` bytes more than needed."""
    out = bytearray()
    while value > 0x7F or extra:
        out.append(value & 0x7F | 0x80)
        value >>= 7
        extra -= value == 0 and extra > 0
    out.append(value)
    return bytes(out)


def field(number: int, contents: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(contents)) + contents


float32s = st.floats(width=32, allow_nan=False)
int64s = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 300))
names = st.sampled_from(["a", "b", "cc", "ä", "", "a long name of more than sixteen bytes"])
features = st.one_of(
    st.none(),
    st.tuples(st.just("bytes"), st.lists(st.binary(max_size=200), max_size=4)),
    st.tuples(st.just("float"), st.lists(float32s, max_size=4)),
    st.tuples(st.just("int"), st.lists(int64s, max_size=4)),
)


@st.composite
def odd_records(draw) -> bytes:
    """Records that protobuf may read, in shapes that no usual writer gives: repeats, unpacked numbers, other orders."""

    def feature() -> bytes:
        choice = draw(st.integers(0, 5))
        if choice == 0:
            return field(3, b"".join(b"\x08" + varint(n) for n in draw(st.lists(st.integers(0, 500), max_size=3))))
        if choice == 1:
            return field(2, b"".join(b"\x0d" + struct.pack("<f", x) for x in draw(st.lists(float32s, max_size=3))))
        if choice == 2:
            return field(1, field(1, b"one")) + field(1, field(1, b"two"))
        if choice == 3:
            return field(3, field(1, varint(5, extra=draw(st.integers(0, 3)))))
        if choice == 4:
            return field(9, b"unknown") + field(1, field(1, b"x"))
        return field(1, field(1, b"x")) + field(3, field(1, b"\x07"))

    def entry() -> bytes:
        key, value = field(1, draw(names).encode()), field(2, feature())
        return field(1, draw(st.sampled_from([key + value, value + key, value, key, key + value + field(7, b"?")])))

    maps = [field(1, b"".join(entry() for _ in range(draw(st.integers(0, 3))))) for _ in range(draw(st.integers(0, 2)))]
    return b"".join(maps) + draw(st.sampled_from([b"", b"\x28\x01", b"\x2d\x00\x00\x00\x00"]))
