"""The `streamfit` command. What a command needs is imported when it runs, so that `--help` is quick."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from streamfit.view.terminal import progress, run

FILE = click.Path(path_type=Path)


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """`cam_01,cam_04` as a list."""
    if value is None:
        return None
    return [name.strip() for name in value.split(",") if name.strip()]


cameras_option = click.option(
    "--cameras", metavar="A,B,..", callback=_names, help="Use only these cameras.  [default: all]"
)
person_option = click.option(
    "--person",
    metavar="NAME",
    help='The person of a session of several.  [default: "0", or the one seen most]',
)
skeleton_option = click.option(
    "--skeleton",
    metavar="NAME|FILE",
    default="rajagopal",
    show_default=True,
    help="Built in, or an MJCF file.",
)


@click.group(name="streamfit", no_args_is_help=False)
@click.version_option(package_name="streamfit", prog_name="streamfit")
def cli() -> None:
    """Live biomechanics: multi-view 2D keypoints in, joint angles of a skeleton out."""


def _command(examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command of the group, with examples under its help."""
    return cli.command(epilog="\b\nExamples:\n" + "\n".join("  " + line for line in examples.splitlines()))


@_command("streamfit serve room.toml")
@click.argument("config", metavar="CONFIG.toml", type=FILE)
def serve(config: Path) -> int:
    """Run the daemon until SIGTERM or Ctrl-C.

    Detectors push keypoints to it, consumers subscribe to joint angles. The examples in configs/ say what can
    be configured.
    """
    _prepare_jax()
    from streamfit.daemon.service import run as run_daemon

    return run_daemon(config)


@_command(
    "streamfit calibrate static.mcap walk1.mcap squats.mcap -o subject.toml\n"
    "streamfit calibrate walk1.mcap --static static.mcap --stature 1.75 -o subject.toml"
)
@click.argument("sessions", metavar="SESSION.mcap...", nargs=-1, required=True, type=FILE)
@click.option("-o", "output", metavar="subject.toml", required=True, type=FILE, help="The file to write.")
@click.option("--static", metavar="SESSION.mcap", type=FILE, help="Also this one, of quiet upright standing.")
@click.option("--stature", metavar="M", type=click.FloatRange(0.4, 2.6), help="The person's height, m.")
@cameras_option
@person_option
@skeleton_option
def calibrate(
    sessions: tuple[Path, ...],
    output: Path,
    static: Path | None,
    stature: float | None,
    cameras: list[str] | None,
    person: str | None,
    skeleton: str,
) -> None:
    """Fit the size of one person to recordings of them.

    Scale and keypoint offsets are fitted together with the movements of all the sessions, and frozen in
    subject.toml, which `serve` and `fit` use.
    """
    _prepare_jax()
    from streamfit.commands.calibrate import calibrate_sessions, summary

    paths = [*sessions, *([static] if static else [])]
    with progress() as show:
        result = calibrate_sessions(paths, output, stature, cameras, person, skeleton, show)
    click.echo(summary(result, output))


@_command(
    "streamfit fit walk.mcap --subject subject.toml -o walk/\n"
    "streamfit fit walk.mcap -o walk/ --cameras cam_01,cam_03 --lag 0.2"
)
@click.argument("session", metavar="SESSION.mcap", type=FILE)
@click.option(
    "--subject",
    metavar="subject.toml",
    type=FILE,
    help="The calibrated person.  [default: that of the session, else the generic skeleton]",
)
@click.option("-o", "output", metavar="DIR", required=True, type=FILE, help="The folder to write to.")
@click.option("--lag", type=click.FloatRange(0.02, 1.0), default=0.1, show_default=True, help="Of smoothed.mot, s.")
@click.option("--stature", metavar="M", type=click.FloatRange(0.4, 2.6), help="Of the generic skeleton, m.")
@cameras_option
@person_option
@skeleton_option
def fit(
    session: Path,
    subject: Path | None,
    output: Path,
    lag: float,
    stature: float | None,
    cameras: list[str] | None,
    person: str | None,
    skeleton: str,
) -> None:
    """Run the live engine over a recording, as fast as it goes.

    Writes kinematics.mot (what the daemon publishes without lag), smoothed.mot, keypoints.trc,
    gait_events.csv, steps.csv and fit.json.
    """
    _prepare_jax()
    from streamfit.commands.fit import fit_session, summary

    with progress() as show:
        report = fit_session(session, output, subject, stature, lag, cameras, person, skeleton, show)
    click.echo(summary(report, output))


@_command("streamfit keys /etc/streamfit detectors gait-lab-screen")
@click.argument("directory", metavar="DIR", type=FILE)
@click.argument("clients", metavar="[CLIENT...]", nargs=-1)
def keys(directory: Path, clients: tuple[str, ...]) -> None:
    """Make CURVE keys for connections from other machines.

    DIR gets server.key and server.key_secret where there are none yet, and for each client
    clients/CLIENT.key, which stays, and CLIENT.key_secret, which goes to the client with server.key.
    """
    from streamfit.wire.security import make_keys

    for path in make_keys(directory, clients):
        click.echo(path)


@_command("streamfit demo\nstreamfit demo --recording walk.mcap")
@click.option("--recording", metavar="SESSION.mcap", type=FILE, help="Play this one instead of the simulated walk.")
def demo(recording: Path | None) -> int:
    """Show the whole chain: detector, daemon, consumer.

    Three processes of their own, on a simulated walk or on a recording.
    """
    from streamfit.demo.run import run as run_demo

    return run_demo(recording)


def _prepare_jax() -> None:
    from streamfit.daemon.threads import single_threaded

    single_threaded()


def main() -> NoReturn:
    """The entry point."""
    run(cli)


if __name__ == "__main__":
    main()
