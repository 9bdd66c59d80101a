"""What the peers' scripts print, and how many samples they take."""

import gc
import json
import resource
import statistics

SECONDS_MAX = 20  # of one kind of query, once it has SAMPLES_MIN
SAMPLES_MIN = 3
SAMPLES_MAX = 50
SCALE = {"ms": 1e3, "us": 1e6}


def wanted(seconds):
    """Whether one more sample is to be taken beside those that took `seconds`."""
    return len(seconds) < SAMPLES_MIN or (len(seconds) < SAMPLES_MAX and sum(seconds) < SECONDS_MAX)


def resident_bytes():
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Rows:
    """Prints rows of one peer and case."""

    def __init__(self, peer, case, bench="registry"):
        self.fixed = {"bench": bench, "peer": peer, "case": case}

    def add(self, metric, value, unit, **fields):
        print(json.dumps({**self.fixed, "metric": metric, "value": value, "unit": unit, **fields}), flush=True)

    def add_times(self, metric, seconds, unit="ms", **fields):
        for name, value in (("p50", statistics.median(seconds)), ("best", min(seconds)), ("max", max(seconds))):
            self.add(f"{metric}_{name}", value * SCALE[unit], unit, samples=len(seconds), **fields)

    def add_registration(self, seconds, cpu_seconds, bytes_grown, texts_bytes, digest):
        """Of as many agents as there are `seconds`; texts_bytes: of their texts in UTF-8 and of tokens at 4 bytes."""
        agents = len(seconds)
        self.add("register_rate", agents / sum(seconds), "agents/s")
        self.add("register_cpu", cpu_seconds / agents * 1e3, "ms/agent")
        self.add_times("register", seconds, digest=digest)
        for name, some in (("first", seconds[:SAMPLES_MAX]), ("last", seconds[-SAMPLES_MAX:])):
            self.add(f"register_{name}_p50", statistics.median(some) * 1e3, "ms", samples=len(some))
        self.add("memory", bytes_grown / agents, "bytes/agent")
        self.add("memory/raw", bytes_grown / texts_bytes, "x")
