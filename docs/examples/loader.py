"""Batches that processes make and hand over in order: python loader.py [BATCHES]."""

import itertools
import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

import zinc


def end_with_parent() -> None:
    """Let this process end when the one that has started it does, even if that one is killed."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def make(dataset: Sequence[Any], orders: zinc.Queue, batches: zinc.Queue) -> None:
    end_with_parent()
    for number, indices in orders:
        try:
            columns = zip(*(dataset[i] for i in indices), strict=True)
            batches.put((number, [numpy.stack(column) for column in columns]))
        except Exception as error:  # else it would end with this worker, and nobody would know
            batches.put((number, error))


class Loader:
    """Iterates over the batches of a data set whose items are tuples of arrays.

    Arrays of batches are read-only, and where their worker has put them. A worker that is killed is
    replaced, and another one makes its batch. `slot_size` is the bytes of a batch, and some more.
    """

    def __init__(
        self, dataset: Sequence[Any], batch_size: int, workers: int = 2, slot_size: int = 1 << 20
    ) -> None:
        self.dataset, self.workers, self.slot_size = dataset, workers, slot_size
        items = range(len(dataset))
        self.parts = [items[i : i + batch_size] for i in range(0, len(items), batch_size)]

    def __iter__(self) -> Iterator[list[numpy.ndarray]]:
        ahead = 2 * self.workers  # so many batches are ordered before they are wanted
        orders = zinc.Queue(ahead, writers=1, workers=self.workers)
        batches = zinc.Queue(
            ahead, slot_size=self.slot_size, writers=self.workers, workers=1, views=ahead + 8
        )

        def start() -> multiprocessing.Process:
            ends = self.dataset, orders, batches
            worker = multiprocessing.Process(target=make, args=ends, daemon=True)
            worker.start()
            return worker

        to_order = enumerate(self.parts)
        workers = [start() for _ in range(self.workers)]
        try:
            for order in itertools.islice(to_order, ahead):
                orders.put(order)
            early: dict[int, Any] = {}
            for wanted in range(len(self.parts)):
                while wanted not in early:
                    workers = [one if one.is_alive() else start() for one in workers]
                    try:
                        number, batch = batches.get(timeout=0.1)
                    except queue.Empty:
                        continue
                    if number >= wanted:  # else it was made twice: its worker was killed
                        early[number] = batch
                if isinstance(early[wanted], Exception):
                    raise early[wanted]
                yield early.pop(wanted)
                for order in itertools.islice(to_order, 1):
                    orders.put(order)
        finally:
            for worker in workers:  # whatever they are at: nobody is held up
                worker.kill()
                worker.join()
            orders.close()
            batches.close()


class Pictures(Sequence[Any]):
    """What takes long to load."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: Any) -> Any:
        return numpy.full((3, 64, 64), i % 256, "u1"), numpy.int64(i)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seen = []
    for pictures, labels in Loader(Pictures(32 * count), 32):
        assert (pictures[:, 0, 0, 0] == labels % 256).all()
        seen += labels.tolist()
        if len(seen) == 32 * 10:
            multiprocessing.active_children()[0].kill()
    assert seen == [*range(32 * count)]
    print(f"{count} batches, in order")
