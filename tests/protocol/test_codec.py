import contextlib
import os
import random

import msgpack
import numpy as np
import pytest

from streamfit.protocol import codec
from streamfit.protocol.codec import Rejected, decode_array, decode_map, encode


def reason_of(payload: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        decode_map(payload)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value.reason


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8", "<i4"])
def test_arrays_come_back_as_they_were(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)[:, ::-1]  # not contiguous
    fields = decode_map(encode({"v": 1, "a": array}))
    assert fields["a"]["dtype"] == ("<f4" if dtype == "<f4" else "<f8")
    np.testing.assert_array_equal(decode_array(fields["a"]), array)


def test_numpy_scalars_and_nan_can_be_sent() -> None:
    fields = decode_map(encode({"v": 1, "n": np.int64(3), "x": np.float32(0.5), "nan": float("nan")}))
    assert fields["n"] == 3
    assert fields["x"] == 0.5
    assert np.isnan(fields["nan"])


def test_nested_lists_are_arrays_too() -> None:
    np.testing.assert_array_equal(decode_array([[1, 2.5, 0], [3, 4, 1]]), [[1, 2.5, 0], [3, 4, 1]])


@pytest.mark.parametrize(
    "value",
    [
        None,
        "abc",
        3.0,
        [[1, 2, 3], [1, 2]],
        [["1", "2", "3"]],
        [[None, 1, 2]],
        [[True, {}, 2]],
        [[True, 1, 2]],
        [[1, 2, 3], 4],
        [[[[[1.0]]]]],
        [[0] * 1000] * 100,
        [["x" * 500_000] + [1] * 1000] + [[1] * 1001] * 500,  # as long as its longest entry it would take 934 GiB
        {"dtype": "<f8", "shape": [1, 3], "data": b"short"},
        {"dtype": "<f8", "shape": [-1, 3], "data": b""},
        {"dtype": "<f8", "shape": [2**62, 2**62], "data": b""},
        {"dtype": "<f8", "shape": [1.0, 3], "data": bytes(24)},
        {"dtype": "<f8", "shape": [0] * 100, "data": b""},
        {"dtype": "O", "shape": [1], "data": bytes(8)},
        {"dtype": ["<f8"], "shape": [1], "data": bytes(8)},
        {"shape": [1], "data": bytes(8)},
        {"dtype": "<f4", "shape": 1, "data": bytes(4)},
        {"dtype": "<f4", "shape": [1], "data": "text"},
    ],
)
def test_what_is_no_array_is_rejected(value: object) -> None:
    with pytest.raises(Rejected) as caught:
        decode_array(value)
    assert caught.value.reason == "bad_array"


def test_deep_nesting_is_rejected() -> None:
    assert reason_of(b"\x91" * 10_000) == "not_msgpack"
    assert reason_of(b"\x81\xa1a" * 10_000) == "not_msgpack"
    assert reason_of(b"\x91" * 900 + b"\x01") == "not_a_map"


def test_a_message_of_nothing_but_lists_is_rejected() -> None:
    row = msgpack.packb([[]] * 1000)
    payload = b"\x82\xa1v\x01\xa1a" + b"\xdc\x03\xe8" + row * 1000
    assert len(payload) < codec.MAX_BYTES * 2
    assert reason_of(b"\x82\xa1v\x01\xa1a" + b"\xdc\x01\xf4" + row * 500) == "not_msgpack"


def test_fifty_megabytes_are_rejected_unread() -> None:
    assert reason_of(bytes(50_000_000)) == "too_large"


def test_announced_lengths_are_not_believed() -> None:
    for header in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"):
        assert reason_of(header) == "not_msgpack"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_msgpack"),
        (b"\xc1", "not_msgpack"),
        (msgpack.packb([1, 2]), "not_a_map"),
        (msgpack.packb({"v": 1}) + b"\x00", "not_msgpack"),
        (msgpack.packb({1: 1, "v": 1}), "not_msgpack"),
        (msgpack.packb({"v": 1, "a": msgpack.ExtType(5, b"x")}), "not_msgpack"),
        (b"\x81\xa1v\xa1\xff", "not_msgpack"),
        (msgpack.packb({}), "wrong_version"),
        (msgpack.packb({"v": 2}), "wrong_version"),
        (msgpack.packb({"v": True}), "wrong_version"),
        (msgpack.packb({"v": "1"}), "wrong_version"),
    ],
)
def test_other_bytes_are_rejected(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


def test_no_bytes_harm() -> None:
    random.seed(1)
    whole = encode({"v": 1, "type": "keypoints", "views": [{"xyc": np.ones((5, 3))}] * 3})
    tries = [os.urandom(random.randrange(200)) for _ in range(3000)]
    tries += [whole[:n] for n in range(len(whole))]
    for _ in range(3000):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] = random.randrange(256)
        tries.append(bytes(damaged))
    for payload in tries:
        with contextlib.suppress(Rejected):
            assert isinstance(decode_map(payload), dict)
