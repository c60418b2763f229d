"""The pictures hold what they are given, whatever is missing in it, and leave no trace behind."""

from io import BytesIO

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from streamfit.evaluation.plots.angles import Angles, angles_over_strides, angles_over_time
from streamfit.evaluation.plots.consistency import consistency_figure
from streamfit.evaluation.plots.overlay import View, overlay_figure
from streamfit.evaluation.plots.residuals import OverTime, table_figure, time_figure
from streamfit.evaluation.plots.style import png

CAMERAS = ("left", "right")
T = np.linspace(0.0, 4.0, 200)


def pixels(figure: Figure) -> np.ndarray:
    """(h, w, 3) as a reader of the PNG sees it."""
    return np.asarray(Image.open(BytesIO(png(figure))).convert("RGB"))


def lines(figure: Figure, label: str) -> list[np.ndarray]:
    """Points (N, 2) of the lines of that label."""
    return [line.get_xydata() for axes in figure.axes for line in axes.lines if line.get_label() == label]


def consistency(shares: dict[str, np.ndarray]) -> Figure:
    medians = {name: np.array([3.0, np.inf]) for name in shares}
    return consistency_figure(np.arange(5.0), shares, CAMERAS, medians, (2,))


def angles(sd: float | None = None) -> Angles:
    degrees = np.column_stack([30 * np.sin(6 * T), 20 * np.cos(6 * T), np.full(len(T), np.nan)])
    names = ("knee_angle_r", "knee_angle_l", "pelvis_tilt")
    return Angles(T, names, degrees, None if sd is None else np.full_like(degrees, sd))


def test_curves_are_in_percent_and_each_method_has_its_own_look() -> None:
    shares = {name: np.linspace(0.0, 1.0, 5) for name in ("live", "offline", "a new one", "another")}
    figure = consistency(shares)
    over = figure.axes[0]
    curves = [line for line in over.lines if line.get_label() in shares]
    np.testing.assert_allclose(curves[0].get_ydata(), [0, 25, 50, 75, 100])
    assert len({(line.get_color(), line.get_linestyle()) for line in curves}) == 4
    assert [text.get_text() for text in over.get_legend().get_texts()] == list(shares)


def test_both_sides_of_an_angle_share_a_panel() -> None:
    figure = angles_over_time(angles(sd=2.0))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["pelvis tilt", "knee angle (flexion +)"]
    knee = figure.axes[1]
    assert {tuple(line.get_ydata()[:2]) for line in knee.lines} >= {(0.0, angles().degrees[1, 0])}
    assert len(knee.collections) == 2  # a band for each side
    assert "not known" in [text.get_text() for text in figure.axes[0].texts]


def test_an_angle_that_is_hardly_observed_is_marked() -> None:
    texts = [text.get_text() for text in angles_over_time(angles(sd=60.0)).axes[1].texts]
    assert texts == ["hardly observed: posterior sd 60 deg"]
    assert not angles_over_time(angles(sd=5.0)).axes[1].texts


def test_strides_of_each_side_are_cut_at_its_own_strikes() -> None:
    figure = angles_over_strides(angles(), {"right": [0.5, 1.5, 2.5], "left": [1.0, 2.0]})
    knee = figure.axes[1]
    strides = [line for line in knee.lines if line.get_linewidth() == 0.6]
    assert len(strides) == 3
    assert knee.get_xlim() == (0.0, 100.0)
    right, left = angles().degrees.T[:2]
    starts = sorted(float(line.get_ydata()[0]) for line in strides)
    np.testing.assert_allclose(
        starts, sorted([np.interp(0.5, T, right), np.interp(1.5, T, right), np.interp(1.0, T, left)])
    )


def test_over_the_view_everything_is_at_its_pixel() -> None:
    """An image of any size fills the camera's size; the frame is shown where the person is."""
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 16:] = (10, 200, 30)
    detected, fitted = np.array([[300.0, 200.0], [np.nan, np.nan]]), np.array([[340.0, 230.0], [400.0, 300.0]])
    bones = np.array([[[300.0, 200.0], [400.0, 300.0]]])
    view = View("c", (640, 480), image, detected, np.array([True, False]), fitted, bones, ("right",))
    figure = overlay_figure([view], "a title")
    axes = figure.axes[0]
    assert axes.images[0].get_extent() == [-0.5, 639.5, 479.5, -0.5]
    drawn = [line.get_xydata() for line in axes.lines]
    assert any(np.array_equal(line, [[300, 200], [340, 230]]) for line in drawn)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left < 300 < 400 < right
    assert top < 200 < 300 < bottom  # y down
    seen = pixels(figure)
    assert (np.abs(seen.astype(int) - (10, 200, 30)).max(axis=2) < 3).mean() > 0.1
    assert (seen.max(axis=2) < 3).mean() > 0.05


@pytest.mark.parametrize(
    "figure",
    [
        lambda: consistency({"live": np.full(5, np.nan)}),
        lambda: angles_over_time(angles()._replace(t=np.zeros(0), degrees=np.zeros((0, 3)))),
        lambda: angles_over_strides(angles(), {}),
        lambda: overlay_figure([View("c", (64, 48), None, *_nothing(3), np.zeros((0, 9, 2)), ())] * 5, ""),
        lambda: time_figure(CAMERAS, {"live": OverTime(np.zeros((4, 2)), np.full((3, 4, 2), np.nan))}),
        lambda: table_figure(CAMERAS, ("nose",), np.full((2, 1), np.nan)),
    ],
    ids=["consistency", "time", "strides", "overlay", "residuals", "table"],
)
def test_nothing_known_is_still_a_picture(figure) -> None:
    """Without a warning, which would fail here."""
    height, width, _ = pixels(figure()).shape
    assert min(height, width) > 100


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    png(consistency({"live": np.linspace(0, 1, 5)}))
    assert dict(matplotlib.rcParams) == before


def test_quartiles_and_median_over_time() -> None:
    t = np.column_stack([T, T])
    quartiles = np.stack([np.full((len(T), 2), value) for value in (1.0, 2.0, 4.0)])
    figure = time_figure(CAMERAS, {"live": OverTime(t, quartiles), "offline": OverTime(t, quartiles + 1)})
    for label, value in (("live", 2.0), ("offline", 3.0)):
        for line in lines(figure, label):
            np.testing.assert_array_equal(line, np.column_stack([T, np.full(len(T), value)]))
    assert len(lines(figure, "live")) == len(CAMERAS)


def _nothing(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((count, 2), np.nan), np.zeros(count, bool), np.full((count, 2), np.nan)
