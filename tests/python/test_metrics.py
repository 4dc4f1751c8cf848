"""`zinc metrics`, scraped as Prometheus does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import zinc

from .conftest import ROOT

pytest.importorskip("typer")
parser = pytest.importorskip("prometheus_client.parser")

COMMAND = [sys.executable, "-m", "zinc", "metrics", "--listen", "127.0.0.1:0"]


@pytest.fixture
def address() -> Iterator[str]:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT


def scrape(address: str, name: str) -> dict[str, Any]:
    """Return what is said of one region, and the labels of what has several."""
    with urllib.request.urlopen(address) as response:
        text = response.read().decode()
    found: dict[str, Any] = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if labels.pop("name", name) == name:
                found[sample.name] = labels or sample.value
    return found


def test_numbers_follow_what_happens(address: str, name: str) -> None:
    with zinc.create(name, 5000) as region:
        found = scrape(address, name)
        assert found["zinc_region_capacity_bytes"] == 5000
        assert found["zinc_region_memory_bytes"] >= 5000
        assert found["zinc_region_attached"] == 1
        assert found["zinc_region_notifications_total"] == 0
        assert found["zinc_region_info"]["state"] == "attached"
        assert found["zinc_region_info"]["contents"] == "bytes"
        assert found["zinc_lock_state"] == {"state": "free"}
        assert 0 < found["zinc_shm_free_bytes"] <= found["zinc_shm_size_bytes"]
        assert not any(one.startswith(("zinc_channel", "zinc_queue")) for one in found)
        region.notify()
        with zinc.open(name), region.lock():
            found = scrape(address, name)
        assert found["zinc_region_attached"] == 2
        assert found["zinc_region_notifications_total"] == 1
        assert found["zinc_lock_state"] == {"state": "held"}
    assert "zinc_region_info" not in scrape(address, name)


def test_channels_and_queues_tell_what_goes_on(address: str, name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=10) as channel, channel.reader() as reader:
        for n in range(10):
            channel.send(bytes([n]))
        reader.recv(0).release()
        found = scrape(address, name)
        assert found["zinc_channel_messages_total"] == 10
        assert found["zinc_channel_readers"] == 1
        assert found["zinc_channel_missed_messages"] == reader.lost > 0
        assert found["zinc_channel_lag_messages"] == reader.lag
        with channel.reader(), urllib.request.urlopen(address) as response:
            of_process = f'{{name="{name}",pid="{os.getpid()}"}}'
            told = response.read().decode()
            assert f"zinc_reader_lag_messages{of_process} {reader.lag:.1f}\n" in told
            assert f"zinc_reader_missed_messages{of_process} {reader.lost:.1f}\n" in told
        assert found["zinc_writers_waiting"] == 0
    with zinc.Queue(name=name) as queue:
        for n in range(5):
            queue.put(n)
        with pytest.raises(ZeroDivisionError), queue.recv(0):
            raise ZeroDivisionError
        message = queue.recv(0)
        found = scrape(address, name)
        assert found["zinc_queue_items_total"] == 5
        assert found["zinc_queue_depth"] == 3
        assert found["zinc_queue_at_work"] == 1
        assert found["zinc_queue_left"] == 1
        message.release()
        del message


def test_address_is_checked_and_one_that_is_taken_is_told(address: str) -> None:
    for wrong in ("nowhere", "127.0.0.1:x", "127.0.0.1:99999"):
        done = subprocess.run([*COMMAND[:-1], wrong], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "is no ADDRESS:PORT" in done.stderr
    taken = address.removeprefix("http://").removesuffix("/metrics")
    done = subprocess.run([*COMMAND[:-1], taken], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"zinc: metrics at {taken}: " in done.stderr


def test_dashboard_asks_for_what_is_served(address: str) -> None:
    """Grafana's own types lose no field of it, and each expression is of figures that there are."""
    promql = pytest.importorskip("promql_parser")
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins")
    file = ROOT / "docs/examples/grafana.json"
    if not file.exists():
        pytest.skip("the documentation is not here")
    plugins.register_default_plugins()
    told = json.loads(file.read_text())
    read = models.Dashboard.from_json(told)
    assert contains(json.loads(encoder.JSONEncoder().encode(read)), told)
    with urllib.request.urlopen(address) as response:
        served = set(re.findall(r"^# TYPE (\w+)", response.read().decode(), re.MULTILINE))
    asked: set[str] = set()
    for panel in told["panels"]:
        for target in panel["targets"]:
            promql.parse(target["expr"].replace("$__rate_interval", "5m"))
            asked |= set(re.findall(r"\bzinc_\w+", target["expr"]))
    for variable in told["templating"]["list"]:
        asked |= set(re.findall(r"\bzinc_\w+", variable["query"]))
    assert len(asked) > 10
    assert asked <= served


def contains(whole: Any, part: Any) -> bool:
    """Return whether all that is in a piece of JSON is in another one, too."""
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)
