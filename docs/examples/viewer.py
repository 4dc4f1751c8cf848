"""A consumer of the camera: python viewer.py bright|motion. Slow ones skip frames."""

import sys
import time

import zinc

which = sys.argv[1]
with zinc.open_or_create(f"camera-{which}", 1) as ready:
    while True:
        try:
            frames = zinc.open_array("camera", readonly=True)
            break
        except FileNotFoundError:
            time.sleep(0.01)
    ready.notify()
    seen, before = 0, None
    while frames.region.wait(1000):  # False once nothing has come for a second
        frame = frames[(frames.region.seen - 1) % len(frames)]
        if which == "bright":
            told = f"brightness {frame[::8, ::8].mean():.1f}"
        else:
            sample = frame[::8, ::8].astype("i2")
            told = f"motion {0 if before is None else abs(sample - before).mean():.1f}"
            before = sample
        seen += 1
    print(f"{which}: {seen} of {frames.region.sequence} frames, last {told}")
