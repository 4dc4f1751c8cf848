"""Many who measure, and one who collects: python telemetry.py [PRODUCERS [RECORDS]]."""

import collections
import multiprocessing
import sys
import time

import numpy

import zinc

RECORD = numpy.dtype([("source", "u4"), ("count", "u4"), ("time", "f8"), ("value", "f4", 8)])


def measure(source: int, a_second: float) -> None:
    """Send a record now and then. It never waits for who reads."""
    channel = zinc.Channel.open("telemetry")
    count = 0
    while True:
        count += 1
        with channel.loan() as loan:
            loan.array[...] = source, count, time.time(), numpy.sin(count)
        time.sleep(1 / a_second)


def start(source: int) -> multiprocessing.Process:
    producer = multiprocessing.Process(target=measure, args=(source, 1000), daemon=True)
    producer.start()
    return producer


if __name__ == "__main__":
    producers = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    # Room for as many records as the collector may be behind by; each who sends takes nine slots.
    channel = zinc.Channel.create("telemetry", 256, shape=(), dtype=RECORD, writers=producers)
    reader = channel.reader()
    workers = [start(source) for source in range(producers)]
    counts: collections.Counter[int] = collections.Counter()
    while counts.total() < wanted or len(counts) <= producers:
        for message in reader.recv_many(8, timeout_ms=10_000):
            counts[int(message.array["source"])] += 1
        if counts.total() > wanted // 2 and workers[0].is_alive():
            workers[0].kill()  # nobody waits for it, and no record of it is torn
            workers[0].join()
            workers.append(start(producers))
    assert counts.total() + reader.lost == message.number  # each record came, or is counted
    print(f"{len(counts)} sources, {counts.total()} records, {reader.lost} lost")
    for worker in workers:
        worker.kill()
        worker.join()
