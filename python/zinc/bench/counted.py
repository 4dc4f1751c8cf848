"""Makes the calls of the hot path, for whoever counts what they do; see `hot_path`.

``python -m zinc.bench.counted CALLS FAULTS WHAT``: `FAULTS` of them are no calls of the hot path,
but something to count. It imports little, which valgrind would take long for.
"""

from __future__ import annotations

import sys

from . import native


def main() -> None:
    """Make the calls, and print how many allocations a preloaded malloc has counted."""
    calls, faults = map(int, sys.argv[1:3])
    library = native.library()
    if sys.argv[3] == "messages":
        channel = native.ChannelHandle(8, 64, waits=True)
        ends = channel.writer(), channel.reader()
        library.zincbench_hot_path_of_messages(*ends, 1, 0)  # which sit down
        made = library.zincbench_hot_path_of_messages(*ends, calls, faults)
        channel.close()
    else:
        region = native.Handle(1)
        library.zincbench_lock(native.ZINC_LOCK, region.place, 1)  # which sits down
        made = library.zincbench_hot_path(region.handle, calls, faults)
        region.close()
    print(made)


if __name__ == "__main__":
    main()
