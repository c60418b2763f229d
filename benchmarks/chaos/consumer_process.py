"""A consumer of everything as a process: says twice a second how many messages it has got, until stdin ends."""

import select
import sys
import time

import zmq

EVERY = 0.5  # s


def main() -> None:
    """`consumer_process.py PUBLISH`"""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.subscribe("")
        socket.connect(sys.argv[1])
        poller, count, said = zmq.Poller(), 0, time.monotonic()
        poller.register(socket, zmq.POLLIN)
        poller.register(0, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(int(1000 * EVERY)))
            if 0 in ready:
                return
            while socket.poll(0) and not select.select([0], [], [], 0)[0]:
                socket.recv_multipart()
                count += 1
                if time.monotonic() > said + EVERY:
                    break
            if time.monotonic() > said + EVERY:
                said = time.monotonic()
                print(count, flush=True)


if __name__ == "__main__":
    main()
