"""Receives numbers, whatever language sends them: python receive.py NAME [TIMES]."""

import sys

import zinc

channel = zinc.Channel.open(sys.argv[1], timeout_ms=None)  # waits until there is one
reader = channel.reader()
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 20):
    message = reader.recv()
    print(f"{message.number}: {message.array.view('f8').item():g}", flush=True)
print(f"{reader.lost} lost")
