"""Pair folders of detections with cameras by name, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from streamfit.errors import InputError

WORD = re.compile(r"\d+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
DIMENSIONS = re.compile(r"(?<![0-9])[23]d(?![a-z])", re.IGNORECASE)
COMMON = {
    "json", "jsons", "keypoints", "pose", "openpose", "detections", "img", "imgs", "images", "video", "videos", "mp",
    "int", "ext", "intrinsics", "extrinsics", "calib", "cam", "cams", "camera", "c", "view", "port", "kp", "sync",
}  # fmt: skip
"""Words that tell no camera from another."""

Key = tuple[str, ...]


def pair(folders: Sequence[str], cameras: Sequence[str]) -> dict[str, str]:
    """The folder of each camera, where the names pair all of them one to one. Raises InputError where they do not.

    Names agree where they are the same, where what is left of them without words that all cameras have is the same
    (`cam01_json`, `1`, `int_cam_01_img`), where they differ by one number alone, or where the camera's name is a part
    of the folder's.
    """
    if len(folders) == len(cameras) == 1:
        return {cameras[0]: folders[0]}
    exact: dict[str, Key] = {name: (re.sub("_json$", "", name),) for name in folders}
    plain: dict[str, Key] = {name: (name,) for name in cameras}
    for of_folders, of_cameras in (
        (exact, plain),
        ({name: _core(name) for name in folders}, {name: _core(name) for name in cameras}),
        (_numbers(folders), _numbers(cameras)),
    ):
        if found := _one_to_one(of_folders, of_cameras, lambda folder, camera: folder == camera):
            return found
    words = {name: _words(name) for name in folders}
    if found := _one_to_one(words, {name: _core(name) for name in cameras}, _contains):
        return found
    raise InputError(_refusal(folders, cameras))


def _one_to_one(
    folders: dict[str, Key], cameras: dict[str, Key], agree: Callable[[Key, Key], bool]
) -> dict[str, str] | None:
    """The pairs, where each camera agrees with one folder and each folder with one camera; else None."""
    if len(folders) != len(cameras) or not all(folders.values()) or not all(cameras.values()):
        return None
    of = {camera: [name for name, key in folders.items() if agree(key, own)] for camera, own in cameras.items()}
    taken = {names[0] for names in of.values() if len(names) == 1}
    return {camera: names[0] for camera, names in of.items()} if len(taken) == len(cameras) else None


def _words(name: str) -> Key:
    words = WORD.findall(DIMENSIONS.sub("_", name))
    return tuple(str(int(word)) if word.isdigit() else word.lower() for word in words)


def _core(name: str) -> Key:
    return tuple(word for word in _words(name) if word not in COMMON)


def _numbers(names: Sequence[str]) -> dict[str, Key]:
    """The one number of each name that differs between them; () where they differ by more, or by words."""
    words = [_words(name) for name in names]
    apart = [k for k in range(max(map(len, words))) if len({own[k : k + 1] for own in words}) > 1]
    told = len(apart) == 1 and all(len(own) > apart[0] and own[apart[0]].isdigit() for own in words)
    return {name: (own[apart[0]],) if told else () for name, own in zip(names, words, strict=True)}


def _contains(folder: Key, camera: Key) -> bool:
    return any(folder[k : k + len(camera)] == camera for k in range(len(folder)))


def _refusal(folders: Sequence[str], cameras: Sequence[str]) -> str:
    by_name, cores = [_core(name) for name in folders], {name: _core(name) for name in cameras}
    without = [name for name in cameras if cores[name] not in by_name]
    told = f"; no folder is named as {', '.join(without)}" if 0 < len(without) < len(cameras) else ""
    return (
        f"{len(folders)} folders of detections ({', '.join(folders)}) for {len(cameras)} cameras "
        f"({', '.join(cameras)}): their names do not say which is which{told}; say it with --map FOLDER=CAMERA for "
        "each that is to be used"
    )
