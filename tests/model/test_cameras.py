import cv2
import jax
import numpy as np
import pytest

from streamfit.errors import InputError
from streamfit.model.camera import FIELD, NEAR, Lenses, Rig, project, rays

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


def test_rays_undo_projection():
    one = lens(Rig.from_toml(rig_text("[-0.2, 0.1, 0.001, -0.002, 0.0]")).lenses(), 0)
    rng = np.random.default_rng(5)
    inside = np.concatenate([rng.uniform(-0.4, 0.4, (50, 2)), np.ones((50, 1))], -1) * 3.0
    points = (inside - one.translation) @ one.rotation
    pixels = project(one, points).pixels
    expected = inside / np.linalg.norm(inside, axis=1, keepdims=True)
    np.testing.assert_allclose(rays(one, pixels), expected, atol=1e-6)
    np.testing.assert_allclose(Rig.from_toml(rig_text()).cameras[0].rays(pixels), expected, atol=1e-6)


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
        (lambda t: t.replace("-0.002]", "-0.002, 0.1]").replace("size", "fisheye = true\nsize"), "fisheye"),
        (lambda t: t.replace("[0.1, 1.2, 0.0]", "[[1, 0, 0], [0, 1, 0], [0, 0, -1]]"), "rotation"),
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


FISHEYE = "[0.045, -0.011, 0.006, -0.003]"


def fisheye_rig(distortions=FISHEYE):
    """The first camera is a fisheye, the second is not."""
    text = rig_text().replace("[-0.2, 0.1, 0.001, -0.002]", distortions, 1)
    return Rig.from_toml(text.replace("size", "fisheye = true\nsize", 1).replace("1500.0", "500.0", 1))


def seen_from(camera, angles, turn=0.7, far=2.0):
    """World points so far off a camera's axis (rad), `far` m away."""
    angles = np.asarray(angles, float)
    inside = far * np.stack([np.sin(angles) * np.cos(turn), np.sin(angles) * np.sin(turn), np.cos(angles)], -1)
    return (inside - camera.translation) @ cv2.Rodrigues(camera.rotation)[0]


def test_a_fisheye_equals_opencv_beside_a_camera_that_is_none():
    rig = fisheye_rig()
    world = seen_from(rig.cameras[0], np.linspace(0.0, 1.5, 40))
    fish, other = rig.cameras
    assert fish.fisheye
    assert not other.fisheye
    expected = cv2.fisheye.projectPoints(world[None], fish.rotation, fish.translation, fish.matrix, fish.distortions)[
        0
    ][0]
    got = project(lens(rig.lenses(), 0), world @ rig.to_ground.T)
    assert got.visible.all()
    np.testing.assert_allclose(got.pixels, expected, atol=1e-6)
    alone = Rig((other,)).lenses()
    assert alone.distortion.shape == (1, 5)  # an ordinary rig pays for no fisheye
    mixed = project(lens(rig.lenses(), 1), world @ rig.to_ground.T)
    for one, same in zip(mixed, project(lens(alone, 0), world @ rig.to_ground.T), strict=True):
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.3, 1.2, np.pi / 2, 1.9])
def test_a_fisheye_has_the_derivative_of_finite_differences(angle):
    rig = fisheye_rig("[0.02, 0.003, 0.0, 0.0]")
    one = lens(rig.lenses(), 0)
    point = seen_from(rig.cameras[0], angle) @ rig.to_ground.T
    got = project(one, point)
    assert got.visible
    step = 1e-6 * np.eye(3)
    expected = np.stack([(project(one, point + d).pixels - project(one, point - d).pixels) / 2e-6 for d in step], -1)
    np.testing.assert_allclose(got.jacobian, expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(jax.jacfwd(lambda x: project(one, x).pixels)(point), expected, rtol=1e-4, atol=1e-2)


def test_a_fisheye_sees_as_far_as_its_polynomial_grows_and_stays_finite_beyond():
    rig = fisheye_rig("[0.0, -0.02, 0.0, 0.0]")  # 1 - 0.1 angle^4 is 0 at 1.778 rad
    one = jax.tree.map(np.float32, lens(rig.lenses(), 0))
    angles = np.array([0.0, 1.0, 1.7, 1.85, 2.5, np.pi - 1e-7, np.pi])
    world = np.concatenate([seen_from(rig.cameras[0], angles), rig.cameras[0].centre[None]])
    points = (world @ rig.to_ground.T).astype(np.float32)
    got = project(one, points)
    np.testing.assert_array_equal(got.visible, [*(angles < 1.75), False])
    assert np.isfinite(got.pixels).all()
    assert np.square(got.jacobian).max() < 1e24
    assert np.isfinite(jax.jacrev(lambda x: project(one, x).pixels)(points)).all()


def test_rays_undo_a_fisheye():
    rig = fisheye_rig("[0.02, 0.003, 0.0, 0.0]")
    camera = rig.cameras[0]
    world = seen_from(camera, np.linspace(0.0, 2.0, 30))
    inside = world @ cv2.Rodrigues(camera.rotation)[0].T + camera.translation
    pixels = project(lens(rig.lenses(), 0), world @ rig.to_ground.T).pixels
    np.testing.assert_allclose(rays(lens(rig.lenses(), 0), pixels), inside / 2.0, atol=1e-9)
    np.testing.assert_allclose(camera.rays(pixels), inside / 2.0, atol=1e-6)
    far = rays(lens(rig.lenses(), 0), np.array([1e6, -1e6]))
    assert np.isfinite(far).all()


def test_a_fisheye_is_written_as_one():
    rig = fisheye_rig()
    again = Rig.from_toml(rig.to_toml())
    assert [camera.fisheye for camera in again.cameras] == [True, False]
    np.testing.assert_array_equal(again.cameras[0].distortions, rig.cameras[0].distortions)


CALISCOPE = """
[cameras.3]
cam_id = 3
rotation_count = -1
error = 0.19
ignore = false
size = [1280, 720]
matrix = [[894.5, 0.0, 624.0], [0.0, 896.9, 361.3], [0.0, 0.0, 1.0]]
distortions = [-0.338, 0.097, -0.001, 0.003, -0.004]
translation = [-0.64, 0.26, 1.45]
rotation = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
[cameras.10]
cam_id = 10
fisheye = true
size = [1280, 720]
matrix = [[404.5, 0.0, 624.0], [0.0, 406.9, 361.3], [0.0, 0.0, 1.0]]
distortions = [0.02, 0.01, -0.001, 0.003]
translation = [0.1, 0.0, 2.0]
rotation = [1.4, 1.0, -0.9]
[cameras.4]
cam_id = 4
ignore = true
size = [1280, 720]
matrix = [[894.5, 0.0, 624.0], [0.0, 896.9, 361.3], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0, 0.0]
translation = "null"
rotation = "null"
"""


def test_reads_the_cameras_of_caliscope():
    rig = Rig.from_toml(CALISCOPE)
    assert rig.names == ("cam_3", "cam_10")
    assert [camera.fisheye for camera in rig.cameras] == [False, True]
    np.testing.assert_allclose(rig.cameras[0].rotation, [0.0, 0.0, np.pi / 2])


def test_a_camera_that_caliscope_has_not_placed_is_named():
    with pytest.raises(InputError, match=r"not camera 4 yet .*ignore = true"):
        Rig.from_toml(CALISCOPE.replace("ignore = true", "ignore = false"), "room.toml")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("4_cam_recording", 4),
        ("charuco_calibration_2_cam", 2),
        ("larger_calibration_post_monocal", 11),
        ("post_optimization", 4),
    ],
)
def test_reads_calibrations_that_caliscope_wrote(faults, name, count):
    assert len(Rig.load(faults / "caliscope" / f"{name}.camera_array.toml").cameras) == count


def test_refuses_a_calibration_of_caliscope_without_extrinsics(faults):
    with pytest.raises(InputError, match="placed no camera yet"):
        Rig.load(faults / "caliscope" / "unlinked_camera.camera_array.toml")
