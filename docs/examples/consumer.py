"""Reads what producer.swift wrote, without a copy."""

import zinc

region = zinc.open("measurements", timeout_ms=30_000)  # waits until the producer is there
asked = region.notify()
region.wait(30_000, after=asked)
values = region.as_numpy("f8")
print(f"Python: {len(values):,} numbers, mean {values.mean():,.1f}")
region.notify()
