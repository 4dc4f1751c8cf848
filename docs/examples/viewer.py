"""A viewer of the camera: python viewer.py every|newest [MS_A_FRAME [FRAMES]]."""

import sys
import time

import zinc

which = sys.argv[1]
ms_a_frame = float(sys.argv[2]) if len(sys.argv) > 2 else 0
left = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize

camera = zinc.Channel.open("camera", timeout_ms=None)  # waits until there is one
reader = camera.reader()
while left > 0:
    try:
        if which == "newest":
            frame = reader.latest() or reader.recv(timeout_ms=1000)
        else:
            frame = reader.recv(timeout_ms=1000)
    except TimeoutError:
        print(f"{which}: no frame for a second", flush=True)
        continue
    behind, darkest = reader.lag, frame.array.min()
    time.sleep(ms_a_frame / 1000)  # however long this takes, the frame stays as it is
    told = f"frame {frame.number}: {darkest} to {frame.array.max()}"
    print(f"{which}: {told}, {behind} behind, {reader.lost} lost", flush=True)
    left -= 1
