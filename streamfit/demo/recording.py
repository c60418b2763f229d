"""The demo's recording, made once and kept: a simulated walk, its truth, and the person, calibrated."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from streamfit.errors import InputError
from streamfit.jax_runtime import cache_folder
from streamfit.recording.mcap_file import SessionWriter, read_session


@dataclass(frozen=True)
class DemoFiles:
    """`session`: the walk with the calibrated subject attached; `truth`: what `save_truth` wrote of it."""

    session: Path
    truth: Path


def demo_files(say: Callable[[str], None], cache: Path | None = None) -> DemoFiles:
    """The demo's files, made in `cache` (the user's) where they are not there yet, which `say` tells of.

    The person is calibrated as a user would be: by `streamfit calibrate` on simulated detections of exercises.
    """
    folder = (cache or cache_folder()) / f"demo-{_fingerprint()}"
    made = DemoFiles(folder / "walk.mcap", folder / "walk.truth.npz")
    if made.session.exists():
        return made
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="demo-") as name:
        work = Path(name)
        say("simulating a person who walks and exercises (only once)")
        _python("streamfit.sim.simulate", str(work))
        say("calibrating the person from 6 s of exercises as the cameras saw them (only once)")
        subject = work / "subject.toml"
        _python("streamfit.cli.main", "calibrate", str(work / "exercises.mcap"), "-o", str(subject))
        attach_subject(work / "walk.mcap", subject.read_text(encoding="utf-8"), work / "calibrated.mcap")
        folder.mkdir(exist_ok=True)
        shutil.move(work / "walk.truth.npz", made.truth)
        shutil.move(work / "calibrated.mcap", made.session)  # last: where it is, all is there
    return made


def attach_subject(session: Path, subject_toml: str, output: Path) -> None:
    """A copy of a session file with a subject."""
    recorded = read_session(session)
    with SessionWriter(output, recorded.cameras_toml, recorded.keypoints_toml, subject_toml) as file:
        for message in recorded.messages():
            file.write(*message)


def _python(*arguments: str) -> None:
    """`python -m ..` to its end. InputError with its last words where it fails."""
    done = subprocess.run([sys.executable, "-m", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise InputError(f"the demo could not be prepared: {arguments[0]} failed: {words[-1].strip()}")


def _fingerprint() -> str:
    """Changes when what makes the files changes."""
    digest = hashlib.sha256()
    for part in ("sim", "model", "estimation"):
        for entry in sorted(Path(str(files("streamfit") / part)).rglob("*")):
            if entry.suffix in (".py", ".xml", ".toml"):
                digest.update(entry.read_bytes())
    return digest.hexdigest()[:12]
