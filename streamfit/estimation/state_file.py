"""Write a `TrackState` down and read it again: the fit goes on from it with the same answers, bit for bit.

One MessagePack value of a version: records by the names of their classes and fields, arrays by their bytes. What
follows from the setup and the subject (lenses, compiled functions) is not in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import msgpack
import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.estimate import Estimate, Load, View, ViewInterval
from streamfit.estimation.factors.banded import Factor
from streamfit.estimation.init.initial_scale import SizeSearch
from streamfit.estimation.live.clock_sync import RunningMean
from streamfit.estimation.live.course import Course
from streamfit.estimation.live.explained import Explained
from streamfit.estimation.live.left_right import Expectation, Sides
from streamfit.estimation.live.measurement_buffer import MeasurementBuffer
from streamfit.estimation.live.reinitialise import ConsistencyMonitor
from streamfit.estimation.live.sliding_window.window_types import Prior, SystematicInputs, Update, WindowState
from streamfit.estimation.live.systematic_error import Excursion
from streamfit.estimation.live.track_state import LookBack, Pending, Tracking, TrackModel, TrackSetup, TrackState
from streamfit.estimation.live_solver import ClockEvidence
from streamfit.model import Screws
from streamfit.model.camera import Camera, Rig
from streamfit.model.root import Frame
from streamfit.model.spline import UniformSpline
from streamfit.model.subject import RefinedRig, Subject

VERSION = 1
_RECORDS = {
    kind.__name__: kind
    for kind in (
        Camera, ClockEvidence, ConsistencyMonitor, Course, Estimate, Excursion, Expectation, Explained, Factor, Frame,
        LookBack, MeasurementBuffer, Pending, Prior, RefinedRig, Rig, RunningMean, Screws, Sides, SizeSearch, Subject,
        SystematicInputs, Tracking, TrackState, UniformSpline, Update, View, ViewInterval, WindowState,
    )
}  # fmt: skip
_FOLLOWS: dict[type, set[str]] = {
    TrackState: {"model"},
    Tracking: {"model"},
    Sides: {"_pairs", "_optics"},
    Expectation: {"_optics"},
    SizeSearch: {"_skeleton", "_keypoints"},
    MeasurementBuffer: {"_real"},
}
"""What follows from the setup and the subject."""
_TUPLE, _DEQUE, _ARRAY, _ON_DEVICE, _LOAD, _RECORD = range(6)


def save(state: TrackState, path: Path) -> None:
    """Write a state to a file."""
    setup = state.model.setup
    written = {"version": VERSION, "made_for": _made_for(setup), "subject": state.subject, "state": state}
    path.write_bytes(_pack(written))


def load(path: Path, setup: TrackSetup) -> TrackState:
    """The state in a file, of a person of that setup. Raises InputError."""
    try:
        written = _unpack(path.read_bytes())
        version, made_for = written["version"], written["made_for"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise InputError(f"{path}: no state of a track ({error})") from None
    if version != VERSION:
        raise InputError(f"{path}: a state of version {version}; this streamfit reads {VERSION}")
    differ = [name for name, value in _made_for(setup).items() if made_for.get(name) != value]
    if differ:
        raise InputError(f"{path}: the state of another track: {', '.join(differ)} differ")
    model = TrackModel(setup, written["subject"])
    unseen = TrackState.unseen(setup, model.subject)
    state: TrackState = unseen._replace(model=model, **written["state"])
    for one, other in ((state.sides, unseen.sides), (state.buffer, unseen.buffer)):
        _fill(one, vars(other))
    if state.size is not None:
        _fill(state.size, vars(SizeSearch(setup.skeleton, setup.keypoints)))
    if (expected := vars(state.sides)["_expected"]) is not None:
        _fill(expected, vars(state.sides))
    track = state.phase
    return state if track is None else state._replace(phase=track._replace(model=model.seen_from(track.frame)))


def _made_for(setup: TrackSetup) -> dict[str, Any]:
    """What must be the same where a state is read; the window's shapes follow from it."""
    return {
        "skeleton": setup.skeleton.name,
        "coordinates": list(setup.skeleton.coordinates),
        "keypoints": list(setup.keypoints.names),
        "cameras": list(setup.rig.names),
        "lag": setup.lag,
        "settings": {one.name: getattr(setup.settings, one.name) for one in fields(setup.settings)},
    }


def _fill(one: object, known: dict[str, Any]) -> None:
    """Give an object what was not written of it."""
    vars(one).update({name: known[name] for name in _FOLLOWS[type(one)]})


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=_extended, strict_types=True)
    return packed


def _extended(value: Any) -> Any:
    """What MessagePack has no type for."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.ndarray, jax.Array)):
        array = np.asarray(value)
        # by columns where it lies so in memory: products of matrices are rounded differently by their order
        order: Literal["C", "F"] = "F" if array.flags.f_contiguous else "C"
        content = _pack([array.dtype.str, list(array.shape), order, array.tobytes(order)])
        return msgpack.ExtType(_ON_DEVICE if isinstance(value, jax.Array) else _ARRAY, content)
    if isinstance(value, Load):
        return msgpack.ExtType(_LOAD, _pack(value.name))
    if isinstance(value, deque):
        return msgpack.ExtType(_DEQUE, _pack(list(value)))
    kind = type(value)
    if kind is tuple:
        return msgpack.ExtType(_TUPLE, _pack(list(value)))
    if _RECORDS.get(kind.__name__) is not kind:
        raise TypeError(f"a {kind.__name__} is not part of a track's state")
    names = _field_names(value)
    return msgpack.ExtType(
        _RECORD, _pack([kind.__name__, {n: getattr(value, n) for n in names if n not in _FOLLOWS.get(kind, ())}])
    )


def _field_names(value: Any) -> list[str]:
    if is_dataclass(value):
        return [one.name for one in fields(value)]
    return list(getattr(value, "_fields", None) or vars(value))


def _unpack(packed: bytes) -> Any:
    return msgpack.unpackb(packed, ext_hook=lambda code, content: _HOOKS[code](_unpack(content)), strict_map_key=False)


def _array(content: list[Any]) -> np.ndarray:
    dtype, shape, order, data = content
    return np.frombuffer(data, dtype).reshape(shape, order=order).copy(order)


def _record(content: list[Any]) -> Any:
    """An object by its class and fields; of a state the fields alone, for its model is still to come."""
    name, values = content
    kind = _RECORDS[name]
    if kind is TrackState:
        return values
    if kind is Tracking:
        return Tracking(model=None, **values)  # type: ignore[arg-type]
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return kind(**values)
    one = object.__new__(kind)
    vars(one).update(values)
    return one


_HOOKS: dict[int, Callable[[Any], Any]] = {
    _TUPLE: tuple,
    _DEQUE: deque,
    _ARRAY: _array,
    _ON_DEVICE: lambda content: jax.device_put(_array(content)),
    _LOAD: Load.__getitem__,
    _RECORD: _record,
}
