import numpy as np
from scipy.spatial.transform import Rotation

from streamfit.model.root import angles_near, angles_of, rate_matrix, rotation_of, turn_root


def test_angles_are_body_fixed_z_x_y():
    angles = np.array([0.3, -0.7, 1.1])
    np.testing.assert_allclose(rotation_of(angles), Rotation.from_euler("ZXY", angles).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(angles_of(rotation_of(angles)), angles)


def test_angles_go_on_through_turns_and_past_the_singularity():
    path = np.array([[0.2 * s, 1.9 * s, 5.0 * s] for s in np.linspace(0, 2, 400)])
    near, found = path[0], []
    for angles in path:
        near = angles_near(rotation_of(angles), near)
        found.append(near)
    away = np.abs(np.cos(path[:, 1])) > 0.05
    np.testing.assert_allclose(np.array(found)[away], path[away], atol=1e-6)


def test_rate_matrix_gives_the_angular_velocity():
    angles, rates, step = np.array([0.3, -0.4, 2.0]), np.array([0.5, -1.0, 0.7]), 1e-6
    spin = (
        (rotation_of(angles + step * rates) - rotation_of(angles - step * rates)) / (2 * step) @ rotation_of(angles).T
    )
    np.testing.assert_allclose(rate_matrix(angles) @ rates, [spin[2, 1], spin[0, 2], spin[1, 0]], atol=1e-8)


def test_turning_the_frame_is_undone_by_turning_back():
    root = np.array([0.5, 1.0, -0.2, 0.3, 0.4, 2.5])
    turn = Rotation.from_rotvec([1.2, -0.3, 0.6]).as_matrix()
    there, derivative = turn_root(root, turn, np.zeros(3))
    back, _ = turn_root(there, turn.T, root[3:6])
    np.testing.assert_allclose(back, root, atol=1e-12)
    step = 1e-6
    for d in range(6):
        nudged = root.copy()
        nudged[d] += step
        moved = (turn_root(nudged, turn, there[3:6])[0] - there) / step
        np.testing.assert_allclose(derivative[:, d], moved, atol=1e-5)
