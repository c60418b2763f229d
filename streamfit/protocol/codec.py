"""Maps to MessagePack bytes and back, with hard limits: bytes from outside can be refused, never harm."""

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import msgpack
import numpy as np

VERSION = 1
MAX_BYTES = 1 << 20
MAX_STRING = 1 << 19
MAX_ITEMS = 1024
MAX_AXES = 4
MAX_ENTRIES = 1 << 16  # of an array in nested lists
MAX_CONTAINERS = 1 << 15  # a message of nothing but empty lists would take a third of a second


class Rejected(Exception):  # noqa: N818 - it is said of a message, not of the program
    """Something from outside that cannot be used: `reason` is counted, `detail` is for people.

    `session` is the session it was meant for, where that much could be read.
    """

    def __init__(self, reason: str, detail: str, session: str | None = None):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.session = session


def encode(fields: Mapping[str, Any]) -> bytes:
    """One MessagePack map; NumPy arrays become `{dtype, shape, data}`, little-endian, in C order."""
    return msgpack.packb(fields, default=_plain)


def finite(value: Any) -> Any:
    """`value`, of maps and lists, without the numbers that JSON cannot say."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decode_map(payload: bytes | memoryview) -> dict[str, Any]:
    """The map in `payload`, with string keys and the `v` of this version. Raises Rejected."""
    if len(payload) > MAX_BYTES:
        raise Rejected("too_large", f"a message of {len(payload)} bytes; at most {MAX_BYTES}")
    bounded = _Bounded()
    try:
        fields = msgpack.unpackb(
            payload,
            max_str_len=MAX_STRING,
            max_bin_len=MAX_BYTES,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            max_ext_len=0,
            list_hook=bounded,
            object_hook=bounded,
        )
    except (ValueError, TypeError, RecursionError, MemoryError, msgpack.UnpackException) as error:
        raise Rejected("not_msgpack", f"not one MessagePack map within the limits ({_short(error)})") from None
    if not isinstance(fields, dict):
        raise Rejected("not_a_map", f"a {type(fields).__name__} where a map was expected")
    version = fields.get("v")
    if isinstance(version, bool) or version != VERSION:
        raise Rejected("wrong_version", f"`v` must be {VERSION}")
    return fields


def decode_array(value: Any) -> np.ndarray:
    """Float64 array from nested lists of numbers or `{dtype, shape, data}`. Raises Rejected."""
    with np.errstate(invalid="ignore"):  # a signalling NaN is none worse than another
        return sent_array(value).astype(np.float64)


def sent_array(value: Any) -> np.ndarray:
    """The same as it was sent, in single or double precision; not to be written to."""
    if isinstance(value, dict):
        return _binary_array(value)
    if not isinstance(value, list):
        raise Rejected("bad_array", "an array must be nested lists of numbers or {dtype, shape, data}")
    return _nested_array(value)


class _Bounded:
    """Passes lists and maps on, up to a number of them."""

    def __init__(self) -> None:
        self.left = MAX_CONTAINERS

    def __call__(self, container: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many lists and maps")
        return container


def _nested_array(value: list[Any]) -> np.ndarray:
    """NumPy itself would believe the rows: one long string among numbers makes every entry as long."""
    shape, entries = [len(value)], value
    while (kinds := set(map(type, entries))) == {list}:
        lengths = set(map(len, entries))
        if len(lengths) > 1 or len(shape) == MAX_AXES:
            raise Rejected("bad_array", f"the rows of an array must have one length, and at most {MAX_AXES} axes")
        shape += lengths
        if math.prod(shape) > MAX_ENTRIES:
            raise Rejected("bad_array", f"an array of more than {MAX_ENTRIES} entries")
        entries = list(chain.from_iterable(entries))
    if not kinds <= {int, float}:
        raise Rejected("bad_array", "an array must hold numbers only, in rows of one length")
    return np.array(entries, np.float64).reshape(shape)


def _binary_array(value: dict[str, Any]) -> np.ndarray:
    dtype, shape, data = value.get("dtype"), value.get("shape"), value.get("data")
    if dtype not in ("<f4", "<f8"):
        raise Rejected("bad_array", 'the dtype of an array must be "<f4" or "<f8"')
    if not isinstance(shape, list) or len(shape) > MAX_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise Rejected("bad_array", f"the shape of an array must be a list of up to {MAX_AXES} whole numbers")
    size = 1
    for n in shape:
        size *= n
    if not isinstance(data, bytes) or len(data) != size * int(dtype[2]):
        raise Rejected("bad_array", "the data of an array must have as many bytes as its dtype and shape say")
    return np.frombuffer(data, dtype).reshape(shape)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, np.dtype("<f4") if value.dtype == np.float32 else np.dtype("<f8"))
        return {"dtype": little.dtype.str, "shape": list(value.shape), "data": little.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot be sent: {type(value).__name__}")


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:80]
