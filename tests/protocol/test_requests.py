import msgpack
import pytest

from streamfit.protocol.codec import encode
from streamfit.protocol.control import ControlError, decode_request, encode_error, encode_result


@pytest.mark.parametrize("identifier", ["abc", 7, 1.5, None, True])
def test_the_id_comes_back(identifier: object) -> None:
    request = decode_request(encode({"v": 1, "type": "status", "id": identifier}))
    result = msgpack.unpackb(encode_result(request, {"x": 1}))
    error = msgpack.unpackb(encode_error(request, ControlError("busy", "later")))
    assert result == {"v": 1, "type": "status", "id": identifier, "ok": True, "result": {"x": 1}}
    assert error["id"] == identifier
    assert error["error"] == {"code": "busy", "message": "later"}
    assert error["ok"] is False


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x91" * 10_000,
        encode({"v": 1, "id": 1}),
        encode({"v": 1, "type": 3, "id": 1}),
        encode({"v": 1, "type": "status", "id": [1]}),
        encode({"v": 1, "type": "status", "id": "x" * 129}),
        encode({"v": 9, "type": "status", "id": 1}),
        bytes(2_000_000),
    ],
)
def test_a_request_that_cannot_be_read_is_a_bad_request(payload: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        decode_request(payload)
    assert caught.value.code == "bad_request"
    assert msgpack.unpackb(encode_error(None, caught.value))["id"] is None


def test_a_text_parameter_must_be_text() -> None:
    request = decode_request(encode({"v": 1, "type": "open", "id": 1, "cameras": 3}))
    assert request.text("keypoints") is None
    with pytest.raises(ControlError, match="`cameras` must be a string"):
        request.text("cameras")
