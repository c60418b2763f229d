"""Movement cut into strides at the strikes of a foot."""

import numpy as np

from streamfit.evaluation.plots.strides import PERCENT, cut_strides

T = np.arange(0.0, 6.0, 0.01)


def test_each_stride_goes_from_one_strike_to_the_next() -> None:
    """Of a value that is the time itself, a stride is a straight line between its strikes."""
    strides = cut_strides(T, T, [0.5, 1.5, 2.9])
    np.testing.assert_allclose(strides, [0.5 + PERCENT / 100, 1.5 + 1.4 * PERCENT / 100], atol=1e-12)


def test_strides_of_different_length_line_up() -> None:
    strikes = [0.2, 1.1, 2.3, 3.2]
    phase = np.interp(T, strikes, [0.0, 1.0, 2.0, 3.0])
    strides = cut_strides(T, np.sin(2 * np.pi * phase), strikes)
    np.testing.assert_allclose(strides, np.tile(np.sin(2 * np.pi * PERCENT / 100), (3, 1)), atol=2e-3)


def test_strikes_may_come_in_any_order() -> None:
    np.testing.assert_array_equal(cut_strides(T, T, [2.9, 0.5, 1.5]), cut_strides(T, T, [0.5, 1.5, 2.9]))


def test_what_is_no_whole_stride_is_left_out() -> None:
    values = T.copy()
    values[(T > 2.2) & (T < 2.4)] = np.nan
    # before the start; a stumble; a gap; whole; standing; after the end
    strikes = [-0.5, 0.7, 1.0, 2.0, 2.9, 3.9]
    assert len(cut_strides(T, values, strikes)) == 2
    assert cut_strides(T, values, [1.0, 4.2]).shape == (0, 101)
    assert cut_strides(T, values, [5.0, 6.5]).shape == (0, 101)
    assert cut_strides(T, values, [1.0]).shape == (0, 101)
    assert cut_strides(T[:0], values[:0], [1.0, 2.0]).shape == (0, 101)
