"""Reads what producer.swift wrote, without a copy."""

import zinc

channel = zinc.Channel.open("measurements", timeout_ms=30_000)  # waits until the producer is there
message = channel.reader().recv(timeout_ms=30_000)
values = message.array.view("f8")
print(f"Python: {len(values):,} numbers, mean {values.mean():,.1f}")
