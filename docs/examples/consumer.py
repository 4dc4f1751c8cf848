"""Reads what producer.swift wrote, without a copy."""

import sys
import time

import zinc

for _ in range(3000):  # until the producer is there
    try:
        region = zinc.open("measurements")
        break
    except FileNotFoundError:
        time.sleep(0.01)
else:
    sys.exit("no producer came")
asked = region.notify()
region.wait(30_000, after=asked)
values = region.as_numpy("f8")
print(f"Python: {len(values):,} numbers, mean {values.mean():,.1f}")
region.notify()
