"""A camera: python camera.py [A_SECOND [overwrite|wait]]. Kill it, start it again: it goes on."""

import itertools
import sys
import time

import zinc

A_SECOND = float(sys.argv[1]) if len(sys.argv) > 1 else 10
FULL = sys.argv[2] if len(sys.argv) > 2 else "overwrite"

camera = zinc.Channel.open_or_create("camera", slots=8, shape=(480, 640), dtype="u1", full=FULL)
for number in itertools.count():
    with camera.loan() as frame:  # a slot of shared memory that nobody reads
        frame.array[:] = number % 251  # what a driver or a decoder would write here
    time.sleep(1 / A_SECOND)  # the end of the `with` has published the frame
