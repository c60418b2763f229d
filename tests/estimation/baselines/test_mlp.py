import jax
import jax.numpy as jnp
import numpy as np
import pytest

from streamfit.estimation.baselines.seed.mlp import HIDDEN, ImplicitMLP, Layer, run, within_limits


@pytest.mark.parametrize(("duration", "levels"), [(1.0, 5), (1.41, 6), (10.0, 8), (60.0, 11)])
def test_levels_of_the_encoding(duration, levels):
    assert ImplicitMLP(0.0, duration, 40).levels == levels


@pytest.mark.parametrize("duration", [1.0, 2.0, 3.0, 7.0, 8.0, 30.0, 119.0])
def test_the_highest_frequency_is_that_of_quick_movement(duration):
    network = ImplicitMLP(0.0, duration, 40)
    cycles_per_second = 2.0 ** (network.levels - 1) * (np.pi / duration) / (2 * np.pi)
    assert 6.3 < cycles_per_second <= 12.8


def test_time_is_encoded_from_the_start_of_the_trial():
    network = ImplicitMLP(start=100.0, duration=2.5, outputs=40)
    t = np.array([100.0, 100.7, 102.5])
    encoded = network.encode(t)
    assert encoded.shape == (3, 1 + 2 * 6)
    phase = np.pi * np.array([0.0, 0.7, 2.5]) / 3.0
    np.testing.assert_allclose(encoded[:, 0], phase, atol=1e-12)
    for k in range(6):
        np.testing.assert_allclose(encoded[:, 1 + 2 * k], np.sin(2**k * phase), atol=1e-12)
        np.testing.assert_allclose(encoded[:, 2 + 2 * k], np.cos(2**k * phase), atol=1e-12)


def test_the_first_three_hidden_layers_see_the_encoding():
    network = ImplicitMLP(0.0, 10.0, 40)
    shapes = [layer.weight.shape for layer in jax.eval_shape(network.init, jax.random.key(0))]
    features = 17
    assert HIDDEN == (128, 256, 512, 1024, 2048)
    assert shapes == [
        (features, 128),
        (128 + features, 256),
        (256 + features, 512),
        (512, 1024),
        (1024, 2048),
        (2048, 40),
    ]


def test_runs_as_computed_by_hand():
    first = Layer(np.array([[1.0, -1.0]]), np.array([0.5, 0.0]))
    second = Layer(np.array([[2.0], [3.0], [10.0]]), np.array([-1.0]))
    last = Layer(np.array([[4.0]]), np.array([0.25]))
    # x = 2: relu(2.5, -2) = (2.5, 0); relu(2.5 * 2 + 0 * 3 + 2 * 10 - 1) = 24; 24 * 4 + 0.25
    np.testing.assert_allclose(run((first, second, last), jnp.array([[2.0]])), [[96.25]])


def test_padding_to_more_levels_changes_nothing():
    network, key, t = ImplicitMLP(0.0, 1.4, 7, (16, 8, 8, 4)), jax.random.key(3), np.linspace(0.0, 1.4, 20)
    encoded = network.encode(t, levels=9).astype(np.float32)
    assert encoded.shape == (20, 19)

    @jax.jit
    def both(key):
        padded = network.init(key, levels=9)
        gradient = jax.grad(lambda layers: jnp.sum(run(layers, encoded) ** 2))(padded)
        return network(network.init(key), t), run(padded, encoded), gradient

    alone, wider, gradient = both(key)
    np.testing.assert_allclose(wider, alone, rtol=1e-4, atol=1e-6)
    assert not np.asarray(gradient[0].weight)[1 + 2 * network.levels :].any()


def test_keeps_single_precision_and_depends_on_the_key():
    network = ImplicitMLP(0.0, 2.0, 5, (8, 8))
    drawn = jax.jit(lambda key: network(network.init(key), np.linspace(0, 2, 9)))
    one, other = drawn(jax.random.key(0)), drawn(jax.random.key(1))
    assert one.dtype == jnp.float32
    assert one.shape == (9, 5)
    assert not np.allclose(one, other)


def test_limited_coordinates_stay_within_their_limits():
    lower, upper = np.array([-np.inf, -0.2, 0.0]), np.array([np.inf, 2.6, 1.0])
    raw = np.array([[50.0, 50.0, -50.0], [-3.0, 0.0, 0.0]], np.float32)
    q = within_limits(raw, lower, upper)
    np.testing.assert_allclose(q, [[50.0, 2.6, 0.0], [-3.0, 1.2, 0.5]], atol=1e-6)
    assert q.dtype == jnp.float32
