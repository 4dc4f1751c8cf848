"""A pool of workers over one large array, none of which is copied or pickled."""

import multiprocessing

import numpy

import zinc


def normalise(rows: zinc.SharedArray) -> float:
    """Scale some rows in place; what came is a reference to them."""
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= rows.std(axis=1, keepdims=True)
    return float(abs(rows).max())


if __name__ == "__main__":
    data = zinc.array(None, (4096, 4096), "f4")  # 64 MiB, under a name of its own
    data[:] = numpy.random.default_rng(1).random(data.shape, "f4")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        extremes = pool.map(normalise, numpy.split(data, 16))
    print(f"mean {abs(data.mean()):.3f}, deviation {data.std():.3f}, largest {max(extremes):.2f}")
