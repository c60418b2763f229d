#!/usr/bin/env python
"""Sounds the bell when a joint bends past an angle, as a therapist's feedback would; says how long that took."""

import statistics
import sys
import time

import click

from streamfit.client import Subscriber
from streamfit.client.subscriber import PUBLISH


@click.command(epilog="\b\nExample:\n  examples/feedback.py --coordinate knee_angle_l --above 60")
@click.option("--publish", default=PUBLISH, show_default=True)
@click.option("--coordinate", default="knee_angle_r", show_default=True)
@click.option("--above", default=60.0, show_default=True, help="deg.")
@click.option("--times", default=0, help="End after so many.  [default: Ctrl-C]")
def feedback(publish: str, coordinate: str, above: float, times: int) -> None:
    """Ring at each passing of the angle, and at the end say the reaction times.

    From the last view's arrival at the daemon to the bell; the cameras and the detector come on top.
    """
    reactions: list[float] = []
    was_above = False
    try:
        for message in Subscriber("kinematics", address=publish):
            if coordinate not in message.coordinates or message["state"] != "tracking":
                continue
            angle = message.angle(coordinate)
            if angle > above and not was_above:
                sys.stdout.write("\a")
                sys.stdout.flush()
                reactions.append(message["latency"] + time.monotonic() - message.received)
                print(f"{message['t']:.2f} s: {coordinate} {angle:.0f} deg", flush=True)
            was_above = angle > above
            if times and len(reactions) == times:
                break
    except KeyboardInterrupt:
        pass
    if reactions:
        middle, longest = 1000 * statistics.median(reactions), 1000 * max(reactions)
        print(f"{len(reactions)} bells, {middle:.1f} ms after the last view (median; at most {longest:.1f} ms)")


if __name__ == "__main__":
    feedback()
