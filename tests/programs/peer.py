"""A process that has a region and does with it what it is told, a line a command.

See examples/peer.rs of the binding to Rust; this one tells no times.
"""

from __future__ import annotations

import json
import os
import sys

import zinc

region: zinc.SharedRegion
for line in sys.stdin:
    command, *words = line.split()
    if command == "open":
        region = zinc.open(words[0])
        place = {"pid": os.getpid(), "data": region.address, "size": len(region)}
        print(json.dumps(place), flush=True)
    elif command == "write":
        region.as_buffer()[int(words[0])] = int(words[1])
        print(words[1], flush=True)
    else:
        print(region.as_buffer()[int(words[0])], flush=True)
