#!/usr/bin/env python
"""Makes docs/page.png: the live page in a browser while a simulated person walks. Needs Chromium and playwright."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from streamfit.jax_runtime import single_threaded

single_threaded()

from streamfit.demo.processes import free_addresses, process, wait_until_ready, write_config  # noqa: E402 - JAX only now
from streamfit.demo.recording import demo_files  # noqa: E402
from streamfit.recording.mcap_file import read_session  # noqa: E402

ROOT = Path(__file__).parent.parent
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@click.command()
@click.option("--chromium", default="/usr/bin/chromium", show_default=True)
@click.option("--size", default="1400x1020", show_default=True)
@click.option("--dark", is_flag=True)
@click.option("--wait", default=8.0, show_default=True, help="s of the walk before the picture is taken.")
@click.option("-o", "output", type=click.Path(path_type=Path), default=ROOT / "docs" / "page.png", show_default=True)
def picture(chromium: str, size: str, dark: bool, wait: float, output: Path) -> None:
    """Photograph the page."""
    width, height = map(int, size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        recording = demo_files(click.echo).session
        addresses, log = free_addresses(), Path(folder) / "daemon.log"
        config = write_config(Path(folder), read_session(recording), addresses)
        with process(["streamfit.cli.main", "serve", str(config)], log) as daemon:
            wait_until_ready(daemon, addresses.http, log, 180.0)
            where = ["--ingest", addresses.ingest, "--publish", addresses.publish, "--loop", "100"]
            player = subprocess.Popen([sys.executable, str(ROOT / "tools" / "replay.py"), str(recording), *where])
            try:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
                    page = browser.new_page(
                        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
                    )
                    page.on("console", lambda message: click.echo(message.text, err=True))
                    page.goto(f"http://{addresses.http}/")
                    time.sleep(wait)
                    page.screenshot(path=output)
                    browser.close()
            finally:
                player.kill()
                player.wait()
    click.echo(output)


if __name__ == "__main__":
    picture()
