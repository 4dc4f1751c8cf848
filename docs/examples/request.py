"""A service whose server is killed, and a caller who asks again: python request.py [CALLS]."""

import multiprocessing
import sys

import numpy

import zinc


def describe(picture: numpy.ndarray) -> dict[str, float]:
    """Answer one call; the picture is where the caller has put it, and read-only."""
    return {"mean": float(picture.mean()), "largest": float(picture.max())}


def start() -> multiprocessing.Process:
    options = {"slot_size": 1 << 19}  # a picture fits into a slot
    server = multiprocessing.Process(target=zinc.serve, args=("describe", describe), kwargs=options)
    server.start()
    return server


if __name__ == "__main__":
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    server = start()
    killed = 0
    with zinc.connect("describe", timeout_ms=5000) as client:
        for number in range(calls):
            picture = numpy.full((480, 640), number, "u1")
            if number % 10 == 5:
                server.kill()
                killed += 1
            while True:
                try:
                    answer = client.call(picture)
                    break
                except zinc.PeerDiedError:  # it may have begun: ask again what may be done twice
                    if not server.is_alive():
                        server = start()
                    zinc.connect("describe", timeout_ms=5000).close()  # until it is there
            assert answer == {"mean": number, "largest": number}
        print(f"{calls} calls answered, {killed} servers killed")
        client.shutdown()  # ends the service
        server.join()
