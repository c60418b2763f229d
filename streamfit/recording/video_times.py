"""Capture times of a video's frames, from its container instead of a mean rate."""

import cv2


class PictureTimes:
    """The times of a file's pictures, one after the other, s from its first.

    OpenCV gives the presentation time of the picture that it read last (also with B-frames, and from the beginning of
    the stream whatever time that has). A file without times, as a bare H.264 stream, has those of its nominal rate.
    """

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture
        self._period = 1.0 / (capture.get(cv2.CAP_PROP_FPS) or 30.0)
        self._last = -self._period

    def read(self) -> float:
        """That of the picture that was read or grabbed last; to be asked once for each."""
        t = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0
        self._last = t if t > self._last else self._last + self._period
        return self._last
