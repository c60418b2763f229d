"""The `streamfit` command. What a command needs is imported when it runs, so that `--help` is quick."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from streamfit.terminal import progress, run

if TYPE_CHECKING:
    from streamfit.importers.detections.picture_names import Meaning

FILE = click.Path(path_type=Path)


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    """`cam_01,cam_04` as a list."""
    if value is None:
        return None
    return [name.strip() for name in value.split(",") if name.strip()]


def _sizes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """`128,256` as numbers."""
    if value is None:
        return None
    try:
        sizes = tuple(int(size) for size in value.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise click.BadParameter(f"{value!r} is no list of layer sizes such as 128,256")
    return sizes


json_option = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON instead of words.")
cameras_option = click.option(
    "--cameras", metavar="A,B,..", callback=_names, help="Use only these cameras.  [default: all]"
)
person_option = click.option(
    "--person",
    metavar="NAME",
    help='The person of a session of several.  [default: "0", or the one seen most]',
)
offset_option = click.option(
    "--offset",
    "offsets",
    metavar="CAMERA=S",
    multiple=True,
    help="Seconds to add to this camera's capture times; repeatable.",
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


def _command(examples: str, name: str | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """A command of the group, with examples under its help."""
    return cli.command(name, epilog="\b\nExamples:\n" + "\n".join("  " + line for line in examples.splitlines()))


@_command("streamfit serve room.toml")
@click.argument("config", metavar="CONFIG.toml", type=FILE)
@click.option("--log-json", is_flag=True, help="Log one JSON map a line, for programs that collect logs.")
def serve(config: Path, log_json: bool) -> int:
    """Run the daemon until SIGTERM or Ctrl-C.

    Detectors push keypoints to it, consumers subscribe to joint angles. The examples in configs/ say what can
    be configured.
    """
    _prepare_jax()
    from streamfit.daemon.app import run as run_daemon

    return run_daemon(config, log_json)


@_command(
    "streamfit rig --print-board board.png                                       the board, to print\n"
    "streamfit rig cam_01=one.mp4 cam_02=two.mp4 cam_03=three.mp4 -o cameras.toml\n"
    "streamfit rig cam_01=0 cam_02=2 --live 90 -o cameras.toml                   two webcams, as they come\n"
    "streamfit rig --level walk.mcap -o levelled.toml                            turned by who walks in it"
)
@click.argument("sources", metavar="CAMERA=VIDEO|FOLDER|NUMBER...", nargs=-1)
@click.option("-o", "output", metavar="cameras.toml", type=FILE, help="The file to write; never over one.")
@click.option("--board", "squares", metavar="CxR", default="8x6", show_default=True, help="Squares along and across.")
@click.option("--square", type=click.FloatRange(0.001, 2.0), default=0.06, show_default=True, help="Their edge, m.")
@click.option(
    "--marker", type=click.FloatRange(0.001, 2.0), default=0.045, show_default=True, help="Of the markers, m."
)
@click.option("--dictionary", default="DICT_5X5_100", show_default=True, help="Of the markers, as OpenCV names it.")
@click.option("--print-board", metavar="BOARD.png", type=FILE, help="Write the board as a picture, and nothing else.")
@click.option("--every", type=click.FloatRange(0.01, 10.0), default=0.2, show_default=True, help="s between two looks.")
@click.option("--offset", "offsets", metavar="CAMERA=S", multiple=True, help="s by which its video begins earlier.")
@click.option("--floor", metavar="S", type=float, help="When the board lies on the floor.  [default: at the end]")
@click.option("--no-floor", is_flag=True, help="It never does: the world is the first camera's.")
@click.option("--live", type=click.FloatRange(1.0, 3600.0), default=60.0, show_default=True, help="s to watch cameras.")
@click.option(
    "--level",
    metavar="SESSION.mcap",
    type=FILE,
    help="Turn its rig (or that of SOURCES, a cameras.toml) by who walks in it; -o may be a .mcap.",
)
def rig(
    sources: tuple[str, ...],
    output: Path | None,
    squares: str,
    square: float,
    marker: float,
    dictionary: str,
    print_board: Path | None,
    every: float,
    offsets: tuple[str, ...],
    floor: float | None,
    no_floor: bool,
    live: float,
    level: Path | None,
) -> None:
    """Calibrate the cameras with a ChArUco board.

    Wave the board so that it fills each camera's picture, corners too, near and slanted; hold it where several cameras
    see it at once; and lay it on the floor at the end: there the origin is. The videos begin at the same time, or
    --offset says by how much not. Ends with what was found, a verdict, and what to do better; pictures are beside it.
    """
    if level is not None:
        if output is None or len(sources) > 1:
            raise click.UsageError("--level turns one rig: name at most one cameras.toml, and -o what to write")
        _prepare_jax()
        from streamfit.cli.level import level_session

        click.echo(level_session(level, output, Path(sources[0]) if sources else None))
        return
    from streamfit.cli.rig import RigOptions, calibrate_rig
    from streamfit.cli.rig import print_board as write_board
    from streamfit.errors import InputError
    from streamfit.rig.board import Board

    columns, _, rows = squares.partition("x")
    if not (columns.isdigit() and rows.isdigit()):
        raise click.BadParameter(f"{squares!r} is not as 8x6", param_hint="--board")
    board = Board(int(columns), int(rows), square, marker, dictionary)
    if print_board is not None:
        click.echo(write_board(board, print_board))
        return
    if output is None:
        raise click.UsageError("Missing option '-o': the cameras.toml to write")
    try:
        shifts = {camera: float(seconds) for camera, _, seconds in (pair.partition("=") for pair in offsets)}
    except ValueError:
        raise InputError(f"--offset {' '.join(offsets)}: must be CAMERA=S, as cam_02=0.12") from None
    with progress() as show:
        said = calibrate_rig(sources, output, RigOptions(board, every, shifts, floor, not no_floor, live), show)
    click.echo(said)


@_command(
    "streamfit calibrate static.mcap walk1.mcap squats.mcap -o subject.toml\n"
    "streamfit calibrate walk1.mcap --static static.mcap --stature 1.75 -o subject.toml\n"
    "streamfit calibrate static.mcap walk1.mcap --bundle-adjust -o subject.toml"
)
@click.argument("sessions", metavar="SESSION.mcap...", nargs=-1, required=True, type=FILE)
@click.option("-o", "output", metavar="subject.toml", required=True, type=FILE, help="The file to write.")
@click.option(
    "--static",
    metavar="SESSION.mcap",
    type=FILE,
    help="Of standing still, upright or not.  [default: recognised by itself]",
)
@click.option("--stature", metavar="M", type=click.FloatRange(0.4, 2.6), help="The person's height, m.")
@click.option("--mass", metavar="KG", type=click.FloatRange(2.0, 400.0), help="The person's mass, kg.")
@click.option("--bundle-adjust", is_flag=True, help="Refine the cameras too; also writes cameras.refined.toml.")
@click.option(
    "--method",
    type=click.Choice(["bilevel", "mlp", "spline", "two-stage"]),
    default="bilevel",
    show_default=True,
    help="mlp and spline: gradient descent as in the seed paper; two-stage: triangulation first.",
)
@click.option("--minutes", metavar="N", type=click.FloatRange(min=0.0), help="Stop then with the best so far.")
@click.option("--steps", metavar="N", type=click.IntRange(min=1), help="Of gradient descent.  [default: 25000]")
@click.option(
    "--hidden", metavar="N,N,..", callback=_sizes, help="Of mlp: hidden layers.  [default: 128,256,512,1024,2048]"
)
@json_option
@cameras_option
@offset_option
@person_option
@skeleton_option
def calibrate(
    sessions: tuple[Path, ...],
    output: Path,
    static: Path | None,
    stature: float | None,
    mass: float | None,
    bundle_adjust: bool,
    method: str,
    minutes: float | None,
    steps: int | None,
    hidden: tuple[int, ...] | None,
    as_json: bool,
    cameras: list[str] | None,
    offsets: tuple[str, ...],
    person: str | None,
    skeleton: str,
) -> None:
    """Fit the body of one person to recordings of them.

    Scale and keypoint offsets are fitted together with the movements of all the sessions, and frozen in
    subject.toml, which `serve` and `fit` use. Ends with a verdict: good, usable or poor, and why. Ctrl-C keeps
    the best so far.
    """
    _prepare_jax()
    from dataclasses import replace

    from streamfit.cli.calibrate import METHODS, CalibrateOptions, calibrate_sessions, report, summary
    from streamfit.estimation.factors.shape_prior import Build

    options = CalibrateOptions(METHODS[METHODS.index(method)], Build(stature, mass), bundle_adjust, minutes)
    descent = options.first_order
    descent = replace(descent, steps=steps or descent.steps, hidden=hidden or descent.hidden)
    options = replace(options, first_order=descent)
    with progress() as show:
        result = calibrate_sessions(sessions, output, options, static, cameras, person, skeleton, show, offsets)
    _say(report(result), summary(result), as_json)


@_command(
    "streamfit fit walk.mcap --subject subject.toml -o walk/\n"
    "streamfit fit walk.mcap -o walk/ --cameras cam_01,cam_03 --lag 0.2 --export c3d,parquet\n"
    "streamfit fit walk.mcap -o walk/ --video cam_01=one.mp4       also a film, walk/cam_01.mp4"
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
@click.option("--offline", is_flag=True, help="Fit the whole trial at once instead: one kinematics.mot.")
@click.option(
    "--export",
    "exports",
    metavar="A,B,..",
    callback=_names,
    help="Write these too: c3d, csv, parquet, rrd.  [default: none]",
)
@click.option(
    "--video", "videos", metavar="CAMERA=FILE", multiple=True, help="Draw the skeleton over this video; repeatable."
)
@click.option("--stature", metavar="M", type=click.FloatRange(0.4, 2.6), help="Of the generic skeleton, m.")
@cameras_option
@offset_option
@person_option
@skeleton_option
@json_option
def fit(
    session: Path,
    subject: Path | None,
    output: Path,
    lag: float,
    offline: bool,
    exports: list[str] | None,
    videos: tuple[str, ...],
    stature: float | None,
    cameras: list[str] | None,
    offsets: tuple[str, ...],
    person: str | None,
    skeleton: str,
    as_json: bool,
) -> None:
    """Run the live engine over a recording, as fast as it goes.

    Writes kinematics.mot (what the daemon publishes without lag), smoothed.mot, keypoints.trc and model.osim for
    OpenSim, gait_events.csv, steps.csv and fit.json; and a film CAMERA.mp4 of each video, whose first frame is taken to
    be at the start of the recording.
    """
    _prepare_jax()
    from streamfit.cli.fit import fit_session, summary

    with progress() as show:
        report = fit_session(
            session,
            output,
            subject,
            stature,
            None if offline else lag,
            cameras,
            person,
            skeleton,
            show,
            exports or (),
            videos,
            offsets,
        )
    _say(report, summary(report, output), as_json)


@_command(
    "streamfit evaluate walk.mcap --subject subject.toml -o walk/\n"
    "streamfit evaluate walk.mcap -o walk/ --video cam_01=one.mp4 --video cam_03=three.mp4"
)
@click.argument("session", metavar="SESSION.mcap", type=FILE)
@click.option(
    "--subject",
    metavar="subject.toml",
    type=FILE,
    help="The calibrated person.  [default: that of the session, else the generic skeleton]",
)
@click.option("-o", "output", metavar="DIR", required=True, type=FILE, help="The folder to write to.")
@click.option(
    "--video", "videos", metavar="CAMERA=FILE", multiple=True, help="Draw on the frames of this video; repeatable."
)
@click.option("--methods", metavar="A,B,..", callback=_names, help="Compare only these.  [default: all there are]")
@cameras_option
@person_option
@skeleton_option
@json_option
def evaluate(
    session: Path,
    subject: Path | None,
    output: Path,
    videos: tuple[str, ...],
    methods: list[str] | None,
    cameras: list[str] | None,
    person: str | None,
    skeleton: str,
    as_json: bool,
) -> None:
    """Say how well a recording is fitted, in figures and pictures.

    Writes report.html, which holds everything, its pictures as PNG, and its figures as evaluation.json. The
    first frame of a video is taken to be at the start of the recording.
    """
    _prepare_jax()
    from streamfit.evaluation.evaluate import evaluate_session, summary

    with progress() as show:
        report = evaluate_session(session, output, subject, cameras, person, skeleton, videos, methods, show)
    _say(report, summary(report, output), as_json)


@_command("streamfit repair room-20260101T093000.000000-0003.mcap -o repaired.mcap")
@click.argument("session", metavar="SESSION.mcap", type=FILE)
@click.option("-o", "output", metavar="SESSION.mcap", required=True, type=FILE, help="The file to write.")
def repair(session: Path, output: Path) -> None:
    """Make a whole file of a recording that was cut off.

    After a crash or a power cut a recording has no index: every streamfit command reads it all the same, other
    MCAP software may not. The recording itself stays as it is.
    """
    from streamfit.cli.repair import repair_session

    count = repair_session(session, output)
    click.echo(f"{output}: {count} messages, all that {session} holds")


@_command(
    "streamfit import Trial_1/ -o trial1.mcap                        a trial of a Pose2Sim project\n"
    "streamfit import json/ --calibration Calib.qca.txt --keypoints body25b --fps 60 -o walk.mcap\n"
    "streamfit import Calib.qca.txt -o cameras.toml                  or camera_array.toml, intri.yml, a folder\n"
    "streamfit import Trial_1/ --map cam1_json=cam_a --map cam2_json=cam_b --offset cam_b=0.04 -o trial1.mcap\n"
    "streamfit import markers.osim -o markers.toml",
    name="import",
)
@click.argument("source", metavar="SOURCE", type=FILE)
@click.option(
    "-o", "output", metavar="FILE", required=True, type=FILE, help="SESSION.mcap, or a .toml; never over one."
)
@click.option(
    "--calibration", metavar="FILE", multiple=True, type=FILE, help="Of the cameras; repeatable, one for each."
)
@click.option("--keypoints", metavar="NAME|FILE", help="The keypoint set.  [default: what Config.toml says]")
@click.option(
    "--fps", "rate", type=click.FloatRange(min=0.1), help="Pictures per second.  [default: as Config.toml says]"
)
@click.option(
    "--map", "folders", metavar="FOLDER=CAMERA", multiple=True, help="Which folder is of which camera; repeatable."
)
@click.option(
    "--offset", "offsets", metavar="CAMERA=S", multiple=True, help="s to add to the times of a camera; repeatable."
)
@click.option(
    "--names",
    type=click.Choice(["auto", "frames", "s", "ms", "us", "ns"]),
    default="auto",
    show_default=True,
    help="Numbers in the pictures' names: of frames, or times.",
)
@click.option("--shares", is_flag=True, help="Coordinates are 0 to 1, from edge to edge of the picture.")
@click.option(
    "--units", metavar="m|cm|mm|M", default="auto", show_default=True, help="Of the calibration, or the m of one unit."
)
@click.option("--size", metavar="WxH", help="Of the pictures that were calibrated, px, where it does not say.")
@click.option(
    "--up", type=click.Choice(["x", "-x", "y", "-y", "z", "-z"]), help="Of its world.  [default: as it says, or z]"
)
def import_(
    source: Path,
    output: Path,
    calibration: tuple[Path, ...],
    keypoints: str | None,
    rate: float | None,
    folders: tuple[str, ...],
    offsets: tuple[str, ...],
    names: "Meaning",
    shares: bool,
    units: str,
    size: str | None,
    up: str | None,
) -> None:
    """Make a session of what other software has recorded.

    SOURCE is a folder with one folder of OpenPose's JSON files per camera (a trial of Pose2Sim: pose-associated/, else
    pose-sync/, else pose/); its calibration may be that of Pose2Sim, Anipose, Caliscope, FreeMoCap, Qualisys,
    EasyMocap, OpenCV or ROS. Or such a calibration alone, which becomes a cameras.toml; or the markers of an OpenSim
    model or .trc, which become a keypoint set. Folders belong to the cameras that they are named as. One person is
    imported; where a picture shows several, the one about whom most cameras agree.
    """
    from streamfit.importers.detections.recording import Reading
    from streamfit.importers.session import ImportOptions, import_source

    named = {folder: camera for folder, _, camera in (pair.partition("=") for pair in folders)}
    reading = Reading(rate, named, _offsets(offsets), names, shares)
    options = ImportOptions(calibration, keypoints, reading, units, up, _picture_size(size))
    with progress() as show:
        done = import_source(source, output, options, show)
    click.echo(done)


def _offsets(pairs: tuple[str, ...]) -> dict[str, float]:
    """`cam_02=0.12` as seconds by camera."""
    from math import isfinite

    from streamfit.errors import InputError

    out: dict[str, float] = {}
    for pair in pairs:
        camera, _, seconds = pair.rpartition("=")
        try:
            value = float(seconds)
        except ValueError:
            value = float("nan")
        if not camera or not isfinite(value):
            raise InputError(f"--offset {pair}: must be CAMERA=S, as cam_02=0.12")
        if camera in out:
            raise InputError(f"--offset {pair}: {camera} has one already")
        out[camera] = value
    return out


def _picture_size(text: str | None) -> tuple[int, int] | None:
    """`1920x1080` as width and height."""
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.BadParameter(f"{text!r} is not as 1920x1080", param_hint="--size")
    return int(width), int(height)


@_command("streamfit keys /etc/streamfit detectors gait-lab-screen")
@click.argument("directory", metavar="DIR", type=FILE)
@click.argument("clients", metavar="[CLIENT...]", nargs=-1)
def keys(directory: Path, clients: tuple[str, ...]) -> None:
    """Make CURVE keys for connections from other machines.

    DIR gets server.key and server.key_secret where there are none yet, and for each client
    clients/CLIENT.key, which stays, and CLIENT.key_secret, which goes to the client with server.key.
    """
    from streamfit.transport.curve import make_keys

    for path in make_keys(directory, clients):
        click.echo(path)


@_command('streamfit completion bash >> ~/.bashrc\neval "$(streamfit completion zsh)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete the commands, options and files of streamfit."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "streamfit", "_STREAMFIT_COMPLETE").source())


@_command("streamfit demo\nstreamfit demo --recording walk.mcap")
@click.option("--recording", metavar="SESSION.mcap", type=FILE, help="Play this one instead of the simulated walk.")
def demo(recording: Path | None) -> int:
    """Show the whole chain: detector, daemon, consumer.

    Three processes of their own, on a simulated walk or on a recording.
    """
    from streamfit.demo.run import run as run_demo

    return run_demo(recording)


def _say(report: dict[str, Any], words: str, as_json: bool) -> None:
    click.echo(json.dumps(report, indent=2, allow_nan=False) if as_json else words)


def _prepare_jax() -> None:
    from streamfit.jax_runtime import single_threaded

    single_threaded()


def main() -> NoReturn:
    """The entry point."""
    run(cli)


if __name__ == "__main__":
    main()
