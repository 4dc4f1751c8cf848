"""What zinc changes where arrays go between processes: before_and_after.py [SAMPLES [MIB]]."""

import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy

import zinc

SAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 5
LARGEST = int(sys.argv[2]) if len(sys.argv) > 2 else 16
SIZES = [size for size in (1 << 10, 64 << 10, 1 << 20, 16 << 20) if size <= LARGEST << 20]
TASKS = 8
fork = multiprocessing.get_context("fork")


def look(array: Any) -> int:
    """Touch each page of an array, as whoever uses it does."""
    return int(array.reshape(-1)[::4096].sum())


def make(size: int) -> numpy.ndarray:
    return numpy.ones(size, "u1")


def make_shared(size: int) -> zinc.SharedArray:
    array = zinc.array(None, size, "u1")  # in place of numpy.empty
    array[:] = 1
    return array


def fill(row: zinc.SharedArray) -> None:
    row[:] = 1


def compare(title: str, run: Callable[[Any], Any], before: Any, after: Any) -> None:
    """Print the best of some samples, in turns."""
    best = {False: float("inf"), True: float("inf")}
    for sample in range(SAMPLES + 1):
        for is_after, what in enumerate((before, after)):
            start = time.perf_counter()
            run(what)
            if sample > 0:  # the first one is to warm up
                best[bool(is_after)] = min(best[bool(is_after)], time.perf_counter() - start)
    slow, fast = best[False] * 1000, best[True] * 1000
    print(f"| {title} | {slow:.3g} ms | {fast:.3g} ms | {slow / fast:.2g} |", flush=True)


def compare_pool(name: str, run: Callable[..., Any], size: int) -> None:
    """Compare tasks that return an array, fill a row of one, and are given one."""

    def returned(how: Any) -> None:
        results = run(how, [size] * TASKS) if callable(how) else how
        if results is rows:
            list(run(fill, rows))
        for array in results:
            look(array)

    rows = zinc.array(None, (TASKS, size), "u1")
    compare(f"{name}: each returns {said(size)}", returned, make, make_shared)
    compare(f"{name}: each fills {said(size)} that are there", returned, make, rows)
    whole = numpy.ones((TASKS, size), "u1")
    given = f"{name}: each is given {said(size)}"
    compare(given, lambda rows: list(run(look, rows)), whole, zinc.share(whole))


def send(queue: Any, size: int, count: int, go: Any) -> None:
    data = {"number": 1, "array": numpy.ones(size, "u1")}
    while go.acquire():
        for _ in range(count):
            queue.put(data)


def compare_queues(size: int) -> None:
    count = max(8, min(1000, (64 << 20) // size))
    shared = zinc.Queue(8, slot_size=size + 4096, workers=1, writers=1, views=4)
    ends = [(queue, fork.Semaphore(0)) for queue in (fork.Queue(8), shared)]
    senders = [
        fork.Process(target=send, args=(queue, size, count, go), daemon=True) for queue, go in ends
    ]
    for sender in senders:
        sender.start()

    def receive(end: tuple[Any, Any]) -> None:
        queue, go = end
        go.release()
        for _ in range(count):
            look(queue.get()["array"])

    compare(f"Queue: {count} times {said(size)}", receive, *ends)
    for sender in senders:
        sender.kill()
        sender.join()


def compare_loaders(size: int) -> None:
    import torch_loader
    from torch.utils.data import DataLoader

    class Items(torch_loader.Dataset):
        item = numpy.ones(size // 16, "u1")

        def __len__(self) -> int:
            return 16 * (200 if size <= 1 << 20 else 20)

        def __getitem__(self, i: int) -> Any:
            return self.item

    def read(loader: Any) -> None:
        for batch in loader:
            look(batch)

    contexts = fork, torch_loader.QueuesOfZinc(size + 4096)
    for what, collate in ("arrays", numpy.stack), ("tensors", None):
        options = {"num_workers": 2, "batch_size": 16, "collate_fn": collate}
        loaders = [
            DataLoader(Items(), multiprocessing_context=context, persistent_workers=True, **options)
            for context in contexts
        ]
        compare(f"DataLoader: batches of {said(size)}, {what}", read, *loaders)


def said(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def main() -> None:
    print("| what | before | with zinc | times |\n|---|---:|---:|---:|")
    with fork.Pool(2) as pool, ProcessPoolExecutor(2, fork) as executor:
        for size in SIZES:
            compare_pool("Pool.map", lambda do, tasks: pool.map(do, tasks, 1), size)
            compare_pool("ProcessPoolExecutor", executor.map, size)
            if importlib.util.find_spec("joblib"):
                from joblib import Parallel, delayed

                compare_pool("joblib", lambda do, tasks: Parallel(2)(map(delayed(do), tasks)), size)
    for size in SIZES:
        compare_queues(size)
    if importlib.util.find_spec("torch"):
        for size in SIZES:
            compare_loaders(size)


if __name__ == "__main__":
    main()
