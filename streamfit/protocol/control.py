"""Requests and replies of the control socket: decoded and encoded, without I/O."""

from dataclasses import dataclass
from typing import Any, Literal

from streamfit.protocol.codec import VERSION, Rejected, decode_map, encode

MAX_ID = 128
Code = Literal["bad_request", "unknown_operation", "unknown_session", "bad_file", "busy", "refused", "internal"]
Scalar = str | int | float | bool | None


class ControlError(Exception):
    """A request that is answered with `error: {code, message}`."""

    def __init__(self, code: Code, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Request:
    """An operation with its parameters; `id` comes back in the reply."""

    operation: str
    id: Scalar
    fields: dict[str, Any]

    def text(self, key: str) -> str | None:
        """The string parameter `key`, None where it is absent. Raises ControlError."""
        value = self.fields.get(key)
        if value is not None and not isinstance(value, str):
            raise ControlError("bad_request", f"`{key}` must be a string")
        return value


def decode_request(payload: bytes) -> Request:
    """The request in `payload`. Raises ControlError with code `bad_request`."""
    try:
        fields = decode_map(payload)
    except Rejected as error:
        raise ControlError("bad_request", error.detail) from None
    identifier = fields.get("id")
    if not isinstance(identifier, str | int | float | None) or len(str(identifier)) > MAX_ID:
        raise ControlError("bad_request", f"`id` must be a string or a number of at most {MAX_ID} characters")
    operation = fields.get("type")
    if not isinstance(operation, str):
        raise ControlError("bad_request", "`type` must name an operation")
    return Request(operation, identifier, fields)


def encode_result(request: Request, result: dict[str, Any]) -> bytes:
    """The reply that says it worked."""
    return encode({"v": VERSION, "type": request.operation, "id": request.id, "ok": True, "result": result})


def encode_error(request: Request | None, error: ControlError) -> bytes:
    """The reply that says why not; `request` is None where it could not even be read."""
    operation, identifier = (request.operation[:64], request.id) if request else ("error", None)
    detail = {"code": error.code, "message": error.message}
    return encode({"v": VERSION, "type": operation, "id": identifier, "ok": False, "error": detail})
