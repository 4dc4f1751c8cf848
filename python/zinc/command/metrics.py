"""``zinc metrics``: what `zinc ls` and `zinc top` know, for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from .._users import ReaderInfo
from . import inspection
from .console import fail
from .inspection import Region
from .signals import end_in_order

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "no prometheus_client here; metrics take: pip install 'zinc-shm[metrics]'",
        name="prometheus_client",
    ) from None


class Regions(Collector):
    """What there is in shared memory, looked at for each scrape; nothing is attached to."""

    def describe(self) -> list[Metric]:
        """Say nothing before there is something: that would be a look."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Look at all regions."""
        found = inspection.look()
        inspection.tell_holders(found)
        regions = sorted(found.values(), key=lambda region: region.name)
        for name, help, kind, value in _METRICS:
            family = kind(name, help, labels=["name"])
            for region in regions:
                if (number := value(region)) is not None:
                    family.add_metric([region.name], number)
            yield family
        info = GaugeMetricFamily(
            "zinc_region_info",
            "What a region is; always 1",
            labels=["name", "state", "contents", "owner"],
        )
        locks = GaugeMetricFamily(
            "zinc_lock_state", "How a region's own lock is; always 1", labels=["name", "state"]
        )
        for region in regions:
            info.add_metric([region.name, region.state, region.contents, region.owner], 1)
            if region.lock is not None:
                locks.add_metric([region.name, region.lock.state], 1)
        yield info
        yield locks
        yield from _of_readers(regions)
        size, free = inspection.room()
        told = "Bytes of memory that /dev/shm may take"
        yield GaugeMetricFamily("zinc_shm_size_bytes", told, value=size)
        yield GaugeMetricFamily("zinc_shm_free_bytes", "Bytes of that which are left", value=free)


def _of_readers(regions: Iterable[Region]) -> Iterable[Metric]:
    lag = GaugeMetricFamily(
        "zinc_reader_lag_messages",
        "Messages of a channel that a process has not received, by the slowest of its readers",
        labels=["name", "pid"],
    )
    missed = GaugeMetricFamily(
        "zinc_reader_missed_messages",
        "Messages of a channel that the living readers of a process have missed",
        labels=["name", "pid"],
    )
    for region in regions:
        living: dict[int, list[ReaderInfo]] = {}
        for reader in region.channel.readers if region.channel else ():
            if reader.alive:
                living.setdefault(reader.pid, []).append(reader)
        for pid, readers in living.items():
            labels = [region.name, str(pid)]
            lag.add_metric(labels, max(reader.lag for reader in readers))
            missed.add_metric(labels, sum(reader.lost for reader in readers))
    return lag, missed


def _known(region: Region, value: float) -> float | None:
    return value if region.problem is None else None


def _of_queue(what: str) -> Callable[[Region], float | None]:
    return lambda region: None if region.queue is None else getattr(region.queue, what)


def _sum_lost(region: Region) -> float | None:
    return None if region.channel is None else sum(one.lost for one in region.channel.readers)


def _lag(region: Region) -> float | None:
    readers = [] if region.channel is None else region.channel.readers
    return max((one.lag for one in readers if one.alive), default=None)


_Kind = type[GaugeMetricFamily] | type[CounterMetricFamily]
_METRICS: tuple[tuple[str, str, _Kind, Callable[[Region], float | None]], ...] = (
    (
        "zinc_region_capacity_bytes",
        "Bytes of data",
        GaugeMetricFamily,
        lambda region: _known(region, region.capacity),
    ),
    (
        "zinc_region_memory_bytes",
        "Bytes of memory that a region really has",
        GaugeMetricFamily,
        lambda region: _known(region, region.memory),
    ),
    (
        "zinc_region_attached",
        "Handles that are attached, by whomever",
        GaugeMetricFamily,
        lambda region: _known(region, region.handles),
    ),
    (
        "zinc_region_notifications",
        "Notifications, modulo 2**32",
        CounterMetricFamily,
        lambda region: _known(region, region.sequence),
    ),
    (
        "zinc_channel_messages",
        "Messages published to a channel",
        CounterMetricFamily,
        lambda region: None if region.channel is None else region.channel.newest,
    ),
    (
        "zinc_channel_readers",
        "Readers of a channel that live",
        GaugeMetricFamily,
        lambda region: (
            None if region.channel is None else sum(one.alive for one in region.channel.readers)
        ),
    ),
    (
        "zinc_channel_missed_messages",
        "Messages that the readers that there are have missed, all together",
        GaugeMetricFamily,
        _sum_lost,
    ),
    (
        "zinc_channel_lag_messages",
        "Messages that the slowest living reader has not received",
        GaugeMetricFamily,
        _lag,
    ),
    (
        "zinc_queue_items",
        "Items put into a queue",
        CounterMetricFamily,
        _of_queue("newest"),
    ),
    (
        "zinc_queue_depth",
        "Items that wait in a queue",
        GaugeMetricFamily,
        _of_queue("waiting"),
    ),
    (
        "zinc_queue_at_work",
        "Items that somebody who lives is at work on",
        GaugeMetricFamily,
        _of_queue("at_work"),
    ),
    (
        "zinc_queue_left",
        "Items that were left by who was killed or gave them back, and wait for redelivery",
        GaugeMetricFamily,
        _of_queue("left"),
    ),
    (
        "zinc_writers_waiting",
        "Writers of a channel or queue that wait for room",
        GaugeMetricFamily,
        lambda region: None if region.traffic is None else len(region.waiting),
    ),
)


def serve(address: str, port: int) -> None:
    """Serve them over HTTP until the process ends."""
    registry = CollectorRegistry()
    registry.register(Regions())
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        fail(f"metrics at {address}:{port}: {error.strerror or error}")
    print(f"http://{address}:{server.server_port}/metrics", flush=True)
    end_in_order()
    threading.Event().wait()
