import subprocess
import sys

SWALLOWED = """
import gc, time
import click
from streamfit.terminal import run

def callback(phase, info):
    gc.callbacks.remove(callback)
    raise KeyboardInterrupt

@click.command()
def command():
    gc.callbacks.append(callback)
    gc.collect()
    time.sleep(30)

run(command)
"""


def test_ctrl_c_in_a_callback_of_the_garbage_collector_is_heeded() -> None:
    """Python prints and forgets what is raised there."""
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (130, "", "")
