import cv2
import jax
import numpy as np
import pytest

from streamfit.cameras import FIELD, NEAR, Lenses, Rig, project, undistort
from streamfit.errors import InputError

CAMERA = """
[{key}]
name = "{key}"
size = [1920, 1080]
matrix = [[1500.0, 0.0, 960.0], [0.0, 1498.0, 540.0], [0.0, 0.0, 1.0]]
distortions = {distortions}
rotation = [0.1, 1.2, {turn}]
translation = [{x}, 0.2, 3.0]
"""


def rig_text(distortions="[-0.2, 0.1, 0.001, -0.002]", x=(0.1, 2.0), extra=""):
    return extra + "".join(
        CAMERA.format(key=f"cam_{i}", distortions=distortions, turn=0.3 * i, x=v) for i, v in enumerate(x)
    )


def lens(lenses, camera):
    return Lenses(*(field[camera] for field in lenses))


@pytest.mark.parametrize("up", ["z", "-z", "y", "-y", "x", "-x"])
def test_projection_equals_opencv(up):
    rng = np.random.default_rng(3)
    rig = Rig.from_toml(rig_text("[-0.2, 0.1, 0.001, -0.002, 0.03]", extra=f'[metadata]\nup = "{up}"\n'))
    world = rng.normal(0, 0.7, (200, 3))
    for i, camera in enumerate(rig.cameras):
        expected = cv2.projectPoints(world, camera.rotation, camera.translation, camera.matrix, camera.distortions)[0][
            :, 0
        ]
        got = project(lens(rig.lenses(), i), world @ rig.to_ground.T)
        x, y, depth = cv2.Rodrigues(camera.rotation)[0] @ world.T + camera.translation[:, None]
        np.testing.assert_array_equal(got.visible, np.hypot(x, y) < FIELD * depth)
        assert got.visible.mean() > 0.9
        np.testing.assert_allclose(got.pixels[got.visible], expected[got.visible], atol=1e-6)


@pytest.mark.parametrize(
    ("up", "axis"),
    [("z", [0, 0, 1]), ("-z", [0, 0, -1]), ("y", [0, 1, 0]), ("-y", [0, -1, 0]), ("x", [1, 0, 0]), ("-x", [-1, 0, 0])],
)
def test_ground_is_y_up_and_right_handed(up, axis):
    to_ground = Rig.from_toml(rig_text(extra=f'[metadata]\nup = "{up}"\n')).to_ground
    np.testing.assert_array_equal(to_ground @ axis, [0, 1, 0])
    assert np.linalg.det(to_ground) == pytest.approx(1.0)
    kept = [0, 0, 1] if up in ("x", "-x") else [1, 0, 0]
    np.testing.assert_array_equal(to_ground @ kept, kept)


def test_ground_of_a_z_up_world_is_that_of_the_contract():
    np.testing.assert_array_equal(Rig.from_toml(rig_text()).to_ground @ [1.0, 2.0, 3.0], [1.0, 3.0, -2.0])


def test_derivative_equals_automatic_differences():
    rng = np.random.default_rng(4)
    one = lens(Rig.from_toml(rig_text("[-0.2, 0.1, 0.001, -0.002, 0.03]")).lenses(), 1)
    for point in rng.normal(0, 0.7, (20, 3)):
        expected = jax.jacfwd(lambda x: project(one, x).pixels)(point)
        np.testing.assert_allclose(project(one, point).jacobian, expected, rtol=1e-9, atol=1e-7)


def test_points_behind_a_camera_are_not_seen_and_stay_finite():
    rig = Rig.from_toml(rig_text())
    camera = rig.cameras[0]
    axis = cv2.Rodrigues(camera.rotation)[0][2]
    depths = np.array([-2.0, -NEAR, 0.0, NEAR / 2, 2 * NEAR, 1.0])
    points = (camera.centre + depths[:, None] * axis) @ rig.to_ground.T
    got = project(lens(rig.lenses(), 0), points)
    np.testing.assert_array_equal(got.visible, depths > NEAR)
    assert np.isfinite(got.pixels).all()
    assert np.isfinite(got.jacobian).all()


def test_points_far_beside_the_field_of_a_camera_are_not_seen_and_stay_small():
    rig = Rig.from_toml(rig_text("[-0.2, 0.1, 0.001, -0.002, 0.03]"))
    camera = rig.cameras[0]
    across, _, axis = cv2.Rodrigues(camera.rotation)[0]
    aside = np.array([0.5, 0.99, 1.01, 5.0, 50.0]) * FIELD
    points = (camera.centre + 0.1 * (axis + aside[:, None] * across)) @ rig.to_ground.T
    got = project(jax.tree.map(np.float32, lens(rig.lenses(), 0)), points.astype(np.float32))
    np.testing.assert_array_equal(got.visible, aside < FIELD)
    assert np.square(got.jacobian).max() < 1e24


def test_undistort_undoes_distortion():
    one = lens(Rig.from_toml(rig_text("[-0.2, 0.1, 0.001, -0.002, 0.0]")).lenses(), 0)
    rng = np.random.default_rng(5)
    inside = np.concatenate([rng.uniform(-0.4, 0.4, (50, 2)), np.ones((50, 1))], -1) * 3.0
    points = (inside - one.translation) @ one.rotation
    flat = undistort(one, project(one, points).pixels)
    np.testing.assert_allclose(flat, inside[:, :2] / 3.0, atol=1e-6)


def test_reads_files_as_they_are_found():
    """Comments, tables that are no camera, keys nobody asked for, four or five coefficients."""
    text = "# made by hand\n" + rig_text().replace("size", "fisheye = false\nport = 3\nerror = 0.4 # px\nsize")
    text += "\n[metadata]\nadjusted = false\nerror = 0.0\n[charuco]\ncolumns = 4\n"
    rig = Rig.from_toml(text)
    assert rig.names == ("cam_0", "cam_1")
    assert rig.up == "z"
    np.testing.assert_array_equal(rig.cameras[0].distortions, [-0.2, 0.1, 0.001, -0.002, 0.0])


def test_millimetres_are_converted_when_said_and_refused_when_not():
    text = rig_text(x=(100.0, 2000.0)).replace("0.2, 3.0]", "200.0, 3000.0]")
    rig = Rig.from_toml('[metadata]\nunits = "mm"\n' + text)
    np.testing.assert_allclose(rig.cameras[0].translation, [0.1, 0.2, 3.0])
    with pytest.raises(InputError, match="units") as error:
        Rig.from_toml(text)
    assert "\n" not in str(error.value)


def test_text_round_trip():
    rig = Rig.from_toml(rig_text(extra='[metadata]\nup = "-y"\n'))
    again = Rig.from_toml(rig.to_toml())
    assert (again.up, again.names) == (rig.up, rig.names)
    for one, other in zip(rig.cameras, again.cameras, strict=True):
        np.testing.assert_array_equal(one.matrix, other.matrix)
        np.testing.assert_array_equal(one.rotation, other.rotation)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda t: t.replace("[cam_0]", "[cam_0"), "not valid TOML"),
        (lambda t: t.replace("rotation = [0.1, 1.2, 0.0]\n", ""), "rotation"),
        (lambda t: t.replace("[0.1, 1.2, 0.0]", "[0.1, nan, 0.0]"), "rotation"),
        (lambda t: t.replace("size = [1920, 1080]", 'size = "large"'), "size"),
        (lambda t: t.replace("[-0.2, 0.1, 0.001, -0.002]", "[-0.2]"), "distortions"),
        (lambda t: t.replace('name = "cam_1"', 'name = "cam_0"'), "two cameras"),
        (lambda t: t.replace('name = "cam_0"', 'name = "cam_0"\nfisheye = true'), "fisheye"),
        (lambda t: '[metadata]\nup = "w"\n' + t, "up"),
        (lambda t: "[metadata]\nup = 'z'\n", "no camera"),
    ],
)
def test_bad_files_are_one_line_that_names_the_place(change, hint):
    with pytest.raises(InputError, match=hint) as error:
        Rig.from_toml(change(rig_text()), "room.toml")
    assert "room.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_select_keeps_the_order_of_the_calibration():
    rig = Rig.from_toml(rig_text(x=(0.1, 1.0, 2.0)))
    assert rig.select(["cam_2", "cam_0"]).names == ("cam_0", "cam_2")
    with pytest.raises(InputError, match="cam_9"):
        rig.select(["cam_9"])
