"""The terminal's side of every command: errors, progress and exit codes."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol

import click

from streamfit.errors import InputError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

BAD_INPUT = 2
AGAIN = 0.02  # s
INTERRUPTED = 130


def run(command: click.Command) -> NoReturn:
    """Run a command and exit: 0 on success, 2 after one line on stderr for bad input, 130 on Ctrl-C."""
    sys.unraisablehook = _heed_ctrl_c
    try:
        status = command.main(standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else command.name
        text = " ".join(error.format_message().split())
        click.echo(f"{path}: {text} (see '{path} --help')", err=True)
        sys.exit(BAD_INPUT)
    except (InputError, click.ClickException) as error:
        click.echo(f"{command.name}: {error}", err=True)
        sys.exit(BAD_INPUT)
    except click.Abort:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)  # a compilation that was interrupted does not survive the usual way out
    sys.exit(status if isinstance(status, int) else 0)


def _heed_ctrl_c(ignored: "UnraisableHookArgs") -> None:
    """Ctrl-C that comes while Python cannot raise anything (JAX has a callback at every collection) comes again."""
    if ignored.exc_type is KeyboardInterrupt:
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(AGAIN, signal.pthread_kill, (main, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(ignored)


def named_source(text: str) -> tuple[str, str]:
    """A camera and what belongs to it, from `CAMERA=SOURCE`. InputError."""
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise InputError(f"{text!r}: say which camera it is, as cam_01={text}")
    return name, source


class ProgressCallback(Protocol):
    """Told what is being done, and which share (0..1) of it is."""

    def __call__(self, what: str, share: float) -> None:
        """Show that the fraction `share` of `what` is done."""


@contextmanager
def progress() -> Iterator[ProgressCallback]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
