"""A camera: fills frames in place and says so. Three buffers, so that readers have time."""

import sys
import time

import zinc

FRAMES = int(sys.argv[1]) if len(sys.argv) > 1 else 300
SLOTS, SHAPE = 3, (1080, 1920, 3)

frames = zinc.array("camera", (SLOTS, *SHAPE), "u1")
print("waiting for the viewers", flush=True)
for viewer in "bright", "motion":
    with zinc.open_or_create(f"camera-{viewer}", 1) as ready:
        if not ready.wait(30_000):
            sys.exit(f"no viewer {viewer}")
for number in range(FRAMES):
    frames[number % SLOTS] = number % 251  # what a driver or a decoder would write here
    frames.region.notify()  # frame `number` is complete: the sequence is number + 1
    time.sleep(1 / 60)
