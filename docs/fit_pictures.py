#!/usr/bin/env python
"""Makes the pictures of docs/how-the-fit-works.md: the live fit at work on the demo's walk, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from streamfit.estimation.estimate import Estimate, View
from streamfit.estimation.factors.reprojection import Noise, view_terms
from streamfit.estimation.live.course import Course
from streamfit.estimation.live.tracker import Tracker
from streamfit.estimation.settings import FitSettings
from streamfit.evaluation.plots.style import BLUE, GREEN, GREY, INK, ORANGE, RED, SKY, new_figure, png, styled
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.spline import SUPPORT
from streamfit.model.subject import Subject
from streamfit.sim.detector import detect
from streamfit.sim.motions import RATE, walk
from streamfit.sim.person import motion, true_subject
from streamfit.sim.room import room
from streamfit.terminal import run

DOCS = Path(__file__).parent
SECONDS, SEED, LAG = 6.0, 5, 0.1
KNEE = "knee_angle_r"
LOST = ((3.0, "two cameras"), (3.6, "one"), (4.0, "none"), (4.5, "all eight again"))
"""From when on (s) the cameras are that few."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A simulated person's views (T, C, K, 3) at times t (T,), and the true coordinates as a function of time."""

    skeleton: Skeleton
    keypoints: KeypointSet
    subject: Subject
    t: np.ndarray
    seen: np.ndarray
    truth: CubicSpline

    @property
    def knee(self) -> int:
        return self.skeleton.coordinates.index(KNEE)

    def follow(self, cameras: Callable[[float], int]) -> tuple[list[Estimate], list[Estimate], list[Course | None]]:
        """Live and smoothed answers, and after each instant the trajectory, with only so many of the cameras."""
        tracker = Tracker(self.skeleton, room(), self.keypoints, self.subject, LAG)
        live, smoothed, courses = [], [], []
        for t, seen in zip(self.t, self.seen, strict=True):
            views = [View(camera, float(t), xyc) for camera, xyc in enumerate(seen[: cameras(t)])]
            estimate, settled = tracker.update(float(t), views)
            live.append(estimate)
            smoothed += settled
            courses.append(tracker.course())
        return live, smoothed, courses


def walked() -> Walk:
    """The demo's walk as its detector sees it."""
    skeleton, keypoints = Skeleton.load(), KeypointSet.load("movi87")
    subject, rig = true_subject(skeleton, keypoints), room()
    q, events = walk(skeleton, subject.scale, SECONDS)
    truth = motion(q, skeleton, keypoints, subject, events)
    seen = detect(truth, rig, skeleton, keypoints, subject, SEED)
    return Walk(skeleton, keypoints, subject, truth.t, seen, CubicSpline(np.arange(len(q)) / RATE, q))


@styled
def window_figure(person: Walk) -> Figure:
    """One moment of the window, in the swing of the right leg."""
    live, smoothed, courses = person.follow(lambda t: 8)
    knee, settings = person.knee, FitSettings()
    after = [i for i, t in enumerate(person.t) if t > 2.0]
    now = max(after, key=lambda i: abs(live[i].qd[knee]))
    course, answer = courses[now], live[now]
    assert course is not None
    spline, t0 = course.spline, answer.t
    figure = new_figure(9.0, 4.2)
    axes = figure.subplots()
    first = spline.start + (spline.intervals - (settings.active - SUPPORT + 1)) * spline.spacing
    axes.axvspan(0.0, 1000 * (spline.end - t0), color=GREY, alpha=0.12, lw=0)
    axes.axvspan(1000 * (first - t0), 0.0, color=SKY, alpha=0.22, lw=0)
    axes.axvspan(1000 * (spline.start - t0), 1000 * (first - t0), color=SKY, alpha=0.08, lw=0)
    t = np.linspace(spline.start, spline.end, 300)
    axes.plot(1000 * (t - t0), np.degrees(person.truth(t)[:, knee]), color=INK, lw=1.2, label="truth")
    fitted = [course.at(float(x))[0][knee] for x in t]
    axes.plot(1000 * (t - t0), np.degrees(fitted), color=BLUE, label="trajectory in the window")
    acts = spline.start + (np.arange(spline.controls) - 1) * spline.spacing
    axes.plot(1000 * (acts - t0), np.degrees(course.controls[:, knee]), "s", color=GREEN, ms=5, label="control points")
    held = person.t[now - settings.slots + 1 : now + 1]
    level = axes.get_ylim()[0]
    axes.plot(1000 * (held - t0), np.full(len(held), level), "|", color=INK, ms=14, mew=1.6, label="instants held")
    axes.errorbar(
        [0.0],
        [np.degrees(answer.q[knee])],
        [1.96 * np.degrees(answer.sd[knee])],
        fmt="o",
        color=RED,
        capsize=4,
        label="live answer, 95 %",
    )
    old = min(smoothed, key=lambda e: abs(e.t - (t0 - LAG)))
    axes.errorbar(
        [1000 * (old.t - t0)],
        [np.degrees(old.q[knee])],
        [1.96 * np.degrees(old.sd[knee])],
        fmt="o",
        color=ORANGE,
        capsize=4,
        label="smoothed answer, 95 %",
    )
    axes.set(xlabel="ms from now", ylabel="right knee, deg", title="The window at one moment of a swing")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def loss_figure(person: Walk) -> Figure:
    """The knee and its standard deviation while cameras go and come back."""

    def cameras(t: float) -> int:
        counts = {"two cameras": 2, "one": 1, "none": 0}
        return next((counts.get(what, 8) for since, what in reversed(LOST) if t >= since), 8)

    live, *_ = person.follow(cameras)
    shown = [e for e in live if 2.3 <= e.t <= 5.3]
    t, q, sd = (np.array([f(e) for e in shown]) for f in (lambda e: e.t, _angle(person), _spread(person)))
    figure = new_figure(9.0, 5.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    above.fill_between(t, q - 1.96 * sd, q + 1.96 * sd, color=SKY, alpha=0.35, lw=0, label="95 % interval")
    above.plot(t, np.degrees(person.truth(t)[:, person.knee]), color=INK, lw=1.2, label="truth")
    above.plot(t, q, color=BLUE, label="live answer")
    above.set(ylabel="right knee, deg", ylim=(-40, 110), title="What is not seen is not known")
    above.legend(loc="upper left", ncols=3)
    below.semilogy(t, sd, color=BLUE)
    below.set(xlabel="s", ylabel="sd, deg")
    for since, what in LOST:
        for axes in (above, below):
            axes.axvline(since, color=GREY, lw=1.0, ls=":")
        below.annotate(what, (since, sd.max()), xytext=(3, -4), textcoords="offset points", color=GREY, fontsize=9)
    return figure


@styled
def weights_figure() -> Figure:
    """What a point counts with that is so far from where the fit has it."""
    settings, sd = FitSettings(), 4.0
    off = np.linspace(0.0, 60.0, 121)
    lens = room().lenses()
    one = type(lens)(*(np.asarray(x)[:1] for x in lens))
    place = -one.rotation[0].T @ one.translation[0] + one.rotation[0].T @ [0.0, 0.0, 5.0]
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    for confidence, colour in ((1.0, BLUE), (0.6, GREEN), (0.3, ORANGE)):
        noise = Noise(np.full(1, sd), np.full(1, 1e-4), np.array(settings.dof), np.array(settings.confidence_power))
        middle = np.asarray(one.centre)[0]
        seen = [np.array([[[middle[0] + x, middle[1], confidence]]]) for x in off]
        weight = [float(view_terms(one, place[None, None], s, noise).weight[0, 0]) for s in seen]
        variance = (sd * float(np.asarray(one.pixel)[0])) ** 2 / confidence**settings.confidence_power
        left.plot(off, weight, color=colour, label=f"confidence {confidence}")
        right.plot(off, np.array(weight) * off / variance, color=colour)
    sigma = sd * float(np.asarray(one.pixel)[0])
    right.plot(off, off / sigma**2, color=GREY, ls=":", lw=1.2, label="least squares")
    right.set_ylim(0.0, 1.1 * max(line.get_ydata().max() for line in right.get_lines()[:3]))
    left.set(xlabel="px off", ylabel="weight", title="How far it is believed")
    right.set(xlabel="px off", ylabel="pull, 1/px", title="How hard it pulls")
    left.legend()
    right.legend(loc="lower right")
    return figure


@styled
def lag_figure(person: Walk) -> Figure:
    """How the error of an instant falls as later views come."""
    _, _, courses = person.follow(lambda t: 8)
    legs = [i for i, n in enumerate(person.skeleton.coordinates) if n.startswith(("hip", "knee", "ankle"))]
    lags = np.arange(0.0, 0.141, 0.01)
    squares = np.zeros(len(lags))
    used = [course for t, course in zip(person.t, courses, strict=True) if t > 1.0 and course is not None]
    for course in used:
        for i, lag in enumerate(lags):
            at = course.until - lag
            squares[i] += np.mean((course.at(at)[0] - person.truth(at))[legs] ** 2)
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    axes.plot(1000 * lags, np.degrees(np.sqrt(squares / len(used))), "o-", color=BLUE)
    axes.axvline(1000 * LAG, color=ORANGE, ls="--", label="the topic `smoothed`")
    axes.set(xlabel="ms that the fit knows of what follows", ylabel="legs off the truth, deg", ylim=(0.0, 1.0))
    axes.set_title("What waiting is worth")
    axes.legend(loc="lower left")
    return figure


def _angle(person: Walk) -> Callable[[Estimate], float]:
    return lambda e: float(np.degrees(e.q[person.knee]))


def _spread(person: Walk) -> Callable[[Estimate], float]:
    return lambda e: float(np.degrees(e.sd[person.knee]))


@click.command(epilog="\b\nExample:\n  docs/fit_pictures.py")
@click.option("-o", "folder", metavar="FOLDER", default=DOCS, show_default=True, type=click.Path(path_type=Path))
def pictures(folder: Path) -> None:
    """Fit the demo's walk and draw the four pictures."""
    person = walked()
    for name, figure in (
        ("window", window_figure(person)),
        ("loss", loss_figure(person)),
        ("weights", weights_figure()),
        ("lag", lag_figure(person)),
    ):
        (folder / f"fit-{name}.png").write_bytes(png(figure))


if __name__ == "__main__":
    run(pictures)
