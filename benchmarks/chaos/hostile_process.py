"""Sends mutated messages to a daemon as fast as it takes them; prints how many have gone, a line now and then.

Arguments: SESSION.mcap INGEST CONTROL COUNT SEED SOCKET. They go to the ingest socket, to control (whose replies are
read), or to both, each as fast as it takes them; at the lowest priority, for a flood comes from elsewhere.
"""

import os
import random
import sys
from itertools import islice
from pathlib import Path

import zmq

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.lib.mutations import control_seeds, ingest_seeds, mutations
from streamfit.recording.mcap_file import read_session

SESSION = "hostile"
SEEDS = 50
REPORT = 1000


def main(recording: str, ingest: str, control: str, count: int, seed: int, where: str) -> None:
    """Send `count` messages."""
    os.nice(19)
    file = read_session(recording)
    payloads = [message.payload for message in islice(file.messages({"keypoints"}), SEEDS)]
    draw = random.Random(seed)
    to_ingest = mutations(ingest_seeds(payloads, SESSION), draw)
    texts = (file.cameras_toml, file.keypoints_toml, file.subject_toml or "")
    to_control = mutations(control_seeds(SESSION, *texts), draw)
    with zmq.Context() as context, context.socket(zmq.PUSH) as push, context.socket(zmq.DEALER) as dealer:
        push.linger = dealer.linger = 60_000
        push.connect(ingest)
        dealer.connect(control)
        poller = zmq.Poller()
        if where != "control":
            poller.register(push, zmq.POLLOUT)
        if where != "ingest":
            poller.register(dealer, zmq.POLLIN | zmq.POLLOUT)
        number = 0
        while number < count:
            for socket, ready in poller.poll():
                if ready & zmq.POLLIN:
                    socket.recv()
                if ready & zmq.POLLOUT and number < count:
                    socket.send(next(to_ingest if socket is push else to_control))
                    number += 1
                    if number % REPORT == 0 or number == count:
                        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:6]), sys.argv[6])
