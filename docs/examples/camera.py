"""A camera: python camera.py FRAMES [A_SECOND]. Fills frames in place, and says so."""

import sys
import time

import zinc

FRAMES = int(sys.argv[1]) if len(sys.argv) > 1 else 300
A_SECOND = float(sys.argv[2]) if len(sys.argv) > 2 else 60
SLOTS, SHAPE = 4, (1080, 1920, 3)

frames = zinc.array("camera", (SLOTS, *SHAPE), "u1")
print("waiting for the viewers", flush=True)
for viewer in "bright", "motion":
    with zinc.open_or_create(f"camera-{viewer}", 1) as ready:
        if not ready.wait(30_000):
            sys.exit(f"no viewer {viewer}")
for number in range(FRAMES):
    frames[number % SLOTS] = number % 251  # what a driver or a decoder would write here
    frames.region.notify()  # frame `number` is complete: the sequence is number + 1
    time.sleep(1 / A_SECOND)
