"""Whether the machine is quiet enough to measure on it."""

from __future__ import annotations

import dataclasses
import statistics
import time

from . import machine, method, native

# A loop that always does the same, short enough to be done between two interruptions.
CALLS = 20_000
LOOPS = 500

# Beyond these a run is doubtful: others on half a processor, a hundredth of the time at other
# virtual machines, a loop that seldom runs undisturbed, or another speed afterwards.
OTHERS = 0.5
STOLEN = 0.01
UNEVEN = 1.2
DRIFT = 1.1


@dataclasses.dataclass(frozen=True)
class Ticks:
    """What the processors did since the machine started, in hundredths of a second each."""

    busy: int
    stolen: int
    total: int

    @classmethod
    def of(cls, stat: str) -> Ticks:
        """Return those of the first line of /proc/stat; proc_stat(5)."""
        fields = [int(field) for field in stat.partition("\n")[0].split()[1:9]]
        user, nice, system, idle, waiting, interrupts, soft, stolen = (fields + [0] * 8)[:8]
        busy = user + nice + system + interrupts + soft
        return cls(busy, stolen, busy + idle + waiting + stolen)

    def __sub__(self, other: Ticks) -> Ticks:
        return Ticks(self.busy - other.busy, self.stolen - other.stolen, self.total - other.total)


@dataclasses.dataclass(frozen=True)
class Look:
    """A look at the machine while only this process should be at work."""

    loop: float  # ns, the shortest of many that do the same
    uneven: float  # their median, in times of the shortest
    others: float  # processors that others kept busy meanwhile
    ticks: Ticks  # at its end


def now() -> Ticks:
    """Return what the processors did until now."""
    return Ticks.of(machine.read("/proc/stat"))


def look() -> Look:
    """Run the loop for some tenths of a second, and see what others do meanwhile."""
    clock = native.library().zincbench_clock
    before, start, own = now(), time.monotonic(), time.process_time()
    loops = [method.timed(lambda: clock(CALLS)) for _ in range(LOOPS)]
    seconds, own = time.monotonic() - start, time.process_time() - own
    after = now()
    others = max(0.0, ((after - before).busy / 100 - own) / seconds)
    return Look(min(loops), statistics.median(loops) / min(loops), others, after)


def doubts_of(found: Look, when: str) -> list[str]:
    """Return what one look says against measuring, each a sentence."""
    doubts = []
    if found.others > OTHERS:
        doubts.append(f"Other programs kept {found.others:.1f} processors busy {when}.")
    if found.uneven > UNEVEN:
        doubts.append(f"A loop took {found.uneven:.1f} times its shortest time {when}.")
    return doubts


def doubts_between(first: Look, last: Look) -> list[str]:
    """Return what speaks against what was measured between two looks, each a sentence."""
    doubts = []
    during = last.ticks - first.ticks
    share = during.stolen / max(during.total, 1)
    if share > STOLEN:
        doubts.append(f"Other virtual machines took {share:.0%} of the processors' time meanwhile.")
    drift = last.loop / first.loop
    if max(drift, 1 / drift) > DRIFT:
        doubts.append(f"A loop took {drift:.2f} times as long afterwards as before.")
    return doubts
