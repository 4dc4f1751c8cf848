"""Measures one point of a suite in a process of its own, for `runner`.

``python -m zinc.bench.worker JOB``: the job is JSON, and so are the lines that it prints, one
for each result. What it is about to do it says on standard error, in lines that begin with
"now ".
"""

from __future__ import annotations

import dataclasses
import json
import sys

from .method import Settings
from .suites import SUITES


def main() -> None:
    """Measure, and print."""
    job = json.loads(sys.argv[1])
    settings = Settings(**job["settings"])
    points = SUITES[job["suite"]].points(settings.quick)
    point = next(point for point in points if point.name == job["point"])
    for result in point.measure(point.name, job["contenders"], settings):
        print(json.dumps(dataclasses.asdict(result)), flush=True)


if __name__ == "__main__":
    main()
