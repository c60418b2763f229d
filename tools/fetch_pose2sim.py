#!/usr/bin/env python
"""Fetches real recordings to try things on: what the package `pose2sim` (BSD-3) brings along, by its name."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click

from streamfit.errors import InputError
from streamfit.terminal import run

WHAT = {
    "detections": ("pose2sim==0.8.3", "Pose2Sim/S00_Demo_BatchSession/"),
    "videos": ("pose2sim==0.10.49", "Pose2Sim/Demo_SinglePerson/"),
}


@click.command(
    epilog="""\b
Examples:
  tools/fetch_pose2sim.py detections -o balance/
  streamfit import balance/S00_P00_SingleParticipant/S00_P00_T01_BalancingTrial -o balance.mcap
"""
)
@click.argument("what", type=click.Choice(list(WHAT)))
@click.option("-o", "output", required=True, type=click.Path(path_type=Path), help="The folder to make.")
def fetch(what: str, output: Path) -> None:
    """Fetch a project folder of Pose2Sim: `detections` of OpenPose with a Qualisys calibration, or four `videos`.

    The package is downloaded with pip and unpacked, not installed.
    """
    package, inside = WHAT[what]
    if output.exists():
        raise InputError(f"{output} exists already: name another folder")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise InputError(f"{package} cannot be downloaded: {done.stderr.strip().splitlines()[-1][:200]}")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith(inside) and not name.endswith("/"):
                    place = output / name.removeprefix(inside)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(archive.read(name))
    click.echo(f"{output}: {sum(path.is_file() for path in output.rglob('*'))} files of {package}")


if __name__ == "__main__":
    run(fetch)
