"""A pool on a queue, whose workers are killed all the time: python workers.py [TASKS [WORKERS]]."""

import multiprocessing
import os
import queue
import sys
import threading

import numpy

import zinc

spawn = multiprocessing.get_context("spawn")


def work(tasks: zinc.Queue, results: zinc.Queue) -> None:
    for number, picture in tasks:  # where the sender has put it, without a copy
        results.put((number, int(picture.sum()), os.getpid()))
    # Asking for the next task says that the one before is done: its result is there already.


def feed(tasks: zinc.Queue, count: int) -> None:
    for number in range(count):
        tasks.put((number, numpy.full((100, 100), number, "u4")))  # waits while all are busy
    tasks.shutdown()


def start(tasks: zinc.Queue, results: zinc.Queue) -> multiprocessing.Process:
    worker = spawn.Process(target=work, args=(tasks, results))
    worker.start()
    return worker


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    tasks = zinc.Queue(8, slot_size=1 << 16, workers=4, writers=1)  # a picture fits into a slot
    results = zinc.Queue(100, slot_size=256)
    workers = [start(tasks, results) for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 2)]
    feeder = threading.Thread(target=feed, args=(tasks, count))
    feeder.start()

    sums: dict[int, int] = {}  # by number: a task that was done twice counts once
    killed = twice = 0
    while len(sums) < count:
        try:
            number, total, worker_id = results.get(timeout=0.1)
        except queue.Empty:
            pass
        else:
            twice += number in sums
            sums[number] = total
            if killed < len(sums) // 10 and len(sums) < count:
                for worker in workers:
                    if worker.pid == worker_id:
                        worker.kill()  # as the system does that has no memory left
                        killed += 1
        workers = [one if one.is_alive() else start(tasks, results) for one in workers]

    feeder.join()
    for worker in workers:
        worker.join()
    while not results.empty():  # of workers that were killed between a result and the next task
        twice += results.get()[0] in sums
    assert sums == {number: number * 10_000 for number in range(count)}
    print(f"{len(sums)} tasks done, {twice} of them twice, {killed} workers killed")
