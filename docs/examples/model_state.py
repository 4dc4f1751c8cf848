"""A model that one process trains and others use, each version whole: model_state.py [KILLS]."""

import multiprocessing
import sys

import numpy

import zinc


def train() -> None:
    """Publish one version after the other; whoever takes over goes on with the newest."""
    model = zinc.Channel.open_or_create("model", slots=2, shape=(100, 1000), dtype="f4")
    newest = model.reader(history=1).latest()
    weights = newest.array.copy() if newest else numpy.zeros((100, 1000), "f4")
    while True:
        weights += 1  # a step of training
        model.send(weights)


def use(versions: int, results: zinc.Queue) -> None:
    """Use the newest version, again and again."""
    reader = zinc.Channel.open("model", timeout_ms=None).reader(history=1)
    used = 0
    while used < versions:
        model = reader.latest() or reader.recv()  # waits where there is no newer one
        assert (
            model.array.min() == model.array.max()
        )  # no two versions mixed, as long as it is held
        used += 1
    results.put((used, model.number, float(model.array[0, 0])))


if __name__ == "__main__":
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = zinc.Queue()
    users = [multiprocessing.Process(target=use, args=(200, results)) for _ in range(2)]
    for user in users:
        user.start()
    trainer = multiprocessing.Process(target=train)
    trainer.start()
    watcher = zinc.Channel.open("model", timeout_ms=5000).reader()
    for _ in range(kills):
        for _ in range(5):
            watcher.recv()
        trainer.kill()  # wherever it is just then
        trainer.join()
        trainer = multiprocessing.Process(target=train)
        trainer.start()
    for user in users:
        used, number, value = results.get()
        assert value == number  # each trainer has gone on where the one before was
        user.join()
        print(f"{used} whole versions used, {kills} trainers killed")
    trainer.kill()
    trainer.join()
