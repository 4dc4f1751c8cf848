"""A consumer of the camera: python viewer.py bright|motion. Slow ones skip frames."""

import sys

import zinc


def look(frames, use):
    """Return what `use` makes of the newest frame, or None if the camera may have written there."""
    number = frames.region.seen - 1
    result = use(frames[number % len(frames)])
    # The slot's next frame is number + len(frames), and is begun when so many are complete.
    complete = (frames.region.sequence - number) % 2**32  # counted from this one on
    return result if complete < len(frames) else None


if __name__ == "__main__":
    which = sys.argv[1]
    with zinc.open_or_create(f"camera-{which}", 1) as ready:
        frames = zinc.open_array("camera", readonly=True, timeout_ms=30_000)
        ready.notify()
        whole, told, before = 0, "nothing", None
        while frames.region.wait(1000):  # False once nothing has come for a second
            sample = look(frames, lambda frame: frame[::8, ::8].astype("i2"))
            if sample is None:
                continue  # overtaken: on to the frame that is the newest now
            if which == "bright":
                told = f"brightness {sample.mean():.1f}"
            else:
                told = f"motion {0 if before is None else abs(sample - before).mean():.1f}"
            whole, before = whole + 1, sample
        print(f"{which}: {whole} of {frames.region.sequence} frames, last {told}")
