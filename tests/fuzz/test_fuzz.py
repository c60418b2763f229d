"""A few seconds of hostile input for every reader; `benchmarks/chaos/fuzz.py` goes on for as long as one likes."""

import random
import tracemalloc
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS, corpus

from benchmarks.lib.mutations import mutations
from streamfit.protocol.codec import MAX_BYTES, encode

MUTATIONS = 300
MEMORY = 64 << 20  # bytes that reading one message of at most 1 MiB may take
WIRE = ("ingest", "control")

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
)
arrays = st.fixed_dictionaries(
    {"dtype": st.sampled_from(["<f4", "<f8", "O"]) | values, "shape": values, "data": values}
)
views = st.fixed_dictionaries({}, optional={"camera": values, "t": values, "person": values, "xyc": values | arrays})
messages = st.fixed_dictionaries(
    {"v": st.just(1) | values, "type": st.sampled_from(["keypoints", "end", "open", "calibrate"]) | values},
    optional={"session": st.just("s") | values, "t": values, "id": values, "frame": values, "seconds": values}
    | {"views": st.lists(views) | values},
)


@pytest.mark.parametrize("name", WIRE)
@settings(max_examples=300, deadline=1000, suppress_health_check=list(HealthCheck))
@given(payload=messages.map(encode) | st.binary())
def test_whatever_a_message_holds_it_is_used_or_refused(name: str, payload: bytes) -> None:
    TARGETS[name](payload)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_damaged_input_is_used_or_refused(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    for seed in seeds:
        target(seed) if name == "config" else target.read(seed)  # the example with keys has none there
    for payload in corpus(name):
        target(payload)
    count = MUTATIONS // 10 if name == "mjcf" else MUTATIONS
    for payload in islice(mutations(seeds, random.Random(7)), count):
        target(payload)


@pytest.mark.parametrize("name", WIRE)
def test_reading_a_message_takes_a_bounded_memory(name: str) -> None:
    rows = [["x" * 500_000, *[1] * 1000], *[[1] * 1001] * 500]
    hostile = [
        {"views": [{"camera": "c", "xyc": rows}]},
        {"views": [[[]] * 1000] * 30},
        {"x": [[0] * 1000] * 1000, "views": []},
    ]
    for fields in hostile:
        payload = encode({"v": 1, "type": "keypoints", "session": "s", "t": 0.0} | fields)[:MAX_BYTES]
        tracemalloc.start()
        TARGETS[name](payload)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY
