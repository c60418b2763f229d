"""Adapters from known detectors to `Detector.send`: arrays (K, 3) of x px, y px, confidence 0..1."""

import numpy as np


def from_rtmlib(keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """The clearest of the people that an rtmlib model (RTMPose) returns, pixels (P, K, 2) and scores (P, K).

    None for nobody. Its `Body` gives `coco17`, `BodyWithFeet` `halpe26`, `Wholebody` `wholebody133`.
    Scores of SimCC may be above 1.
    """
    if not len(keypoints):
        return None
    person = int(np.argmax(scores.sum(1)))
    return np.column_stack([keypoints[person], np.clip(scores[person], 0.0, 1.0)])


def from_deeplabcut(pose: np.ndarray, threshold: float = 0.1) -> np.ndarray:
    """The pose (K, 3) that DeepLabCut-Live returns; points less likely than `threshold` are missing.

    Its keypoints are those of a model's own configuration: write a keypoint set with the same names in that order.
    """
    out = np.array(pose, float)
    out[~(out[:, 2] >= threshold)] = 0.0
    out[:, 2] = np.clip(out[:, 2], 0.0, 1.0)
    return out


def from_mediapipe(landmarks: np.ndarray | None, width: int, height: int) -> np.ndarray | None:
    """Pose landmarks (33, 4) of MediaPipe (x, y as shares of the picture, z, visibility) for `mediapipe33`.

    None for nobody. Pixels are OpenCV's, whose origin is the centre of the first one.
    """
    if landmarks is None:
        return None
    x, y, _, visibility = np.asarray(landmarks, float).T
    return np.column_stack([x * width - 0.5, y * height - 0.5, np.clip(visibility, 0.0, 1.0)])
