"""Environments in processes of their own, in step: python vector_env.py [STEPS [ENVIRONMENTS]]."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy

import zinc


def end_with_parent() -> None:
    """Let this process end when the one that has started it does, even if that one is killed."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(number: int, make: Callable[[], Any], asked: Any, done: list[Any], shared: Any) -> None:
    """Step one environment, whose row of each array nobody else writes."""
    end_with_parent()
    environment, actions, observations, rewards, ended = make(), *shared
    observations[number], rewards[number], ended[number] = environment.reset()[0], 0, True
    while True:
        done[number].store(asked.load())  # what was written before is seen by who sees this
        asked.wait(done[number].load())
        seen, rewards[number], terminated, truncated, _ = environment.step(actions[number])
        ended[number] = terminated or truncated
        observations[number] = environment.reset()[0] if ended[number] else seen


class VectorEnvironment:
    """Steps environments all at once; what a killed one did not finish begins anew in another."""

    def __init__(self, make: Callable[[], Any], count: int, shape: tuple[int, ...]) -> None:
        self.make, self.turn = make, 1
        self.actions = zinc.array(None, count, "i8")
        self.observations = zinc.array(None, (count, *shape), "u1")
        self.rewards = zinc.array(None, count, "f4")
        self.ended = zinc.array(None, count, "?")  # its observation is the first of an episode
        turns = zinc.array(None, count + 1, "u8")
        self.done = [turns.region.atomic(8 * i) for i in range(count)]
        self.asked = turns.region.atomic(8 * count)
        self.asked.store(self.turn)
        self.workers = [self.start(number) for number in range(count)]
        self.wait()

    def start(self, number: int) -> multiprocessing.Process:
        shared = self.actions, self.observations, self.rewards, self.ended
        arguments = number, self.make, self.asked, self.done, shared
        worker = multiprocessing.Process(target=run, args=arguments, daemon=True)
        worker.start()
        return worker

    def step(self, actions: Any) -> tuple[zinc.SharedArray, zinc.SharedArray, zinc.SharedArray]:
        """Return the arrays that the environments write, here and at each next step."""
        self.actions[:] = actions
        self.turn += 1
        self.asked.store(self.turn)  # and wakes them
        self.wait()
        return self.observations, self.rewards, self.ended

    def wait(self) -> None:
        for number, done in enumerate(self.done):
            while not done.wait(self.turn - 1, timeout_ms=100):
                if (code := self.workers[number].exitcode) is None:
                    continue
                if code > 0:  # not killed: another one would do no better
                    raise RuntimeError(f"environment {number} has failed: see its traceback")
                self.workers[number] = self.start(number)

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()


class Counting:
    """In place of gymnasium.make(...): a picture of the number of steps, of which there are 100."""

    def reset(self) -> tuple[numpy.ndarray, dict[str, Any]]:
        self.steps = 0
        return numpy.zeros((84, 84), "u1"), {}

    def step(self, action: int) -> tuple[numpy.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return numpy.full((84, 84), self.steps, "u1"), float(action), self.steps == 100, False, {}


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    environments = VectorEnvironment(Counting, count, (84, 84))
    for step in range(steps):
        observations, rewards, ended = environments.step([step] * count)
        assert (observations.min((1, 2)) == observations.max((1, 2))).all()  # whole
        assert ((rewards == step) | ended).all()
        if step == steps // 2:
            environments.workers[0].kill()
    print(f"{steps} steps of {count} environments, one killed; now at", end=" ")
    print(observations[:, 0, 0].tolist())
    environments.close()
