"""A channel that is on another machine, too: python mirrors.py [MESSAGES]. Both are this one."""

import multiprocessing
import signal
import sys
import time

import zinc
import zinc.mirror

WHERE = "tcp/127.0.0.1:7449"


def measure(count: int) -> None:
    """Send on machine A, whether anybody follows or not."""
    channel = zinc.Channel.create("measurements", 64, slot_size=8)
    for number in range(1, count + 1):
        channel.send(number.to_bytes(8, "little"))
        time.sleep(0.001)
    signal.pause()  # what is new stays as long as somebody has the channel


def offer() -> None:
    """Do on machine A what `zinc mirror measurements --listen …` does."""
    zinc.open("measurements", timeout_ms=30_000).close()  # waits until it is there
    with zinc.mirror.offer("measurements", WHERE):
        signal.pause()


def start(work: object, *arguments: object) -> multiprocessing.Process:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    return process


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    source, mirror_of_a = start(measure, count), start(offer)
    # Machine B. There the copy would have the same name.
    here = {"copy": "measurements-there", "timeout_ms": 30_000}
    with (
        zinc.mirror.follow("measurements", WHERE, **here) as mirror,
        zinc.Channel.open("measurements-there") as there,
        there.reader(history=64) as reader,
    ):
        first = number = received = 0
        while number < count:
            with reader.recv() as message:
                number = int.from_bytes(message.data, "little")
            first, received = first or number, received + 1
            if received == 200:
                mirror_of_a.kill()  # the source goes on, and the copy when another is there
                mirror_of_a = start(offer)
        missed = mirror.missed + reader.lost
        print(f"{received} received and {missed} missed of {number - first + 1}")
        assert received + missed == number - first + 1
    for process in source, mirror_of_a:
        process.kill()
        process.join()
