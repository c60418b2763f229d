"""What holds on processors that these tests do not run on."""

import re

import pytest

import streamfit.estimation.live.sliding_window.window as window
from streamfit.estimation.live.tracker import Tracker

PRODUCT = re.compile(r"stablehlo\.dot_general.*")


@pytest.mark.parametrize("name", ["measurement_update", "relinearise_and_shift", "systematic_variance"])
def test_a_gpu_rounds_no_factor_of_a_product(scene, monkeypatch, name):
    """In TF32, which its matrix units default to, the normal equations are no longer positive definite."""
    calls = []
    method = getattr(window.Window, name)

    def noted(self, *arguments):
        calls.append((self, *arguments))
        return method(self, *arguments)

    monkeypatch.setattr(window.Window, name, noted)
    tracker = Tracker(scene.skeleton, scene.rig, scene.keypoints, scene.subject)
    tracker.update(0.0, scene.views(0.0))
    products = PRODUCT.findall(method.lower(*calls[0]).as_text())
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in product for product in products)
