"""Runs the engines round by round; prints every figure side by side and Weir's against its targets.

A figure of time is the best of the rounds, any other the median. Engines whose keys or operations differ from the others'
(by digest), or that handed out a wrong value, end the run with an error.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict

CASES = ["get95-64", "get95-1536", "rt-64", "rt-1536", "shrink", "flight"]
ENGINES = ["weir", "quick_cache", "moka", "foyer", "rocksdb-lru", "rocksdb-hyperclock", "caffeine", "list-map"]
RUST = {"quick_cache", "moka", "foyer"}
FLIGHTS = {"weir", "quick_cache", "moka"}
FIXED_CAPACITY = {"moka", "rocksdb-hyperclock"}  # RocksDB 7.8's HyperClockCache takes a new capacity and evicts nothing
BEST = ("cpu", "time", "worst_get", "wake", "futex")
UNPRINTED = ("wrong", "entries_before", "entries_after", "rss_before", "rss_after", "gets_meanwhile")  # see --json
# A run of this script, and a quick one.
OPERATIONS, OPERATIONS_QUICK = 3_000_000, 600_000

# case, metric, peer, must, stretch: at most these ratios to the peer's figure in this run.
RATIOS = [
    (case, f"cpu_t{threads}", peer, must, stretch)
    for case, peer, must, stretch in [
        ("get95-64", "quick_cache", 0.60, 0.43), ("get95-64", "rocksdb-hyperclock", 0.50, 0.35),
        ("rt-64", "quick_cache", 0.80, 0.60), ("rt-64", "rocksdb-lru", 0.55, 0.36),
        ("get95-1536", "quick_cache", 0.70, 0.57), ("rt-1536", "quick_cache", 1.00, 0.95)]
    for threads in (1, 2)
] + [("get95-64", "overhead", "quick_cache", 0.70, None), ("shrink", "time", "rocksdb-lru", 0.20, None)]
# case, metric, sign, must, stretch: the figure itself.
BOUNDS = [
    ("get95-64", "overhead", "<=", None, 48), ("shrink", "time", "<=", None, 50), ("shrink", "give_back", ">=", 90, 97),
    ("shrink", "worst_get", "<=", 1000, 200), ("shrink", "worst_get_running", "<=", 1000, 200),
    ("flight", "loads", "<=", 1, None), ("flight", "failed_callers", ">=", 64, None),
    ("flight", "wake_p99", "<=", 100, None)]


def command(engine, case, options):
    if engine == "weir":
        return [options.weir, "bench", "pool", case, "rounds=1", f"operations={options.operations}", "--json"]
    if engine in RUST:
        return [options.rust, engine, case, options.keys]
    if engine == "caffeine":
        return ["java", "-Xms4g", "-Xmx4g", "-cp", options.java, "CachePeer", case, options.keys]
    return [options.cpp, engine, case, options.keys]


def runs(engine, case):
    if case == "flight":
        return engine in FLIGHTS
    return case != "shrink" or engine not in FIXED_CAPACITY


def run_rounds(options):
    """(case, metric, engine) -> values of the rounds; units; the engines' full names."""
    values, units, names, digests = defaultdict(list), {}, {}, set()
    for round_number in range(options.rounds):
        for case in options.cases:
            for engine in options.engines:
                if not runs(engine, case):
                    continue
                print(f"\rround {round_number + 1}/{options.rounds}: {case}, {engine}\033[K", end="", file=sys.stderr)
                done = subprocess.run(command(engine, case, options), stdout=subprocess.PIPE, text=True, check=False)
                if done.returncode != 0:
                    sys.exit(f"\n{engine} failed on {case}")
                for line in done.stdout.splitlines():
                    row = json.loads(line)
                    if row["metric"] == "wrong" and row["value"] != 0:
                        sys.exit(f"\n{engine} handed out {row['value']:.0f} wrong values in {case}")
                    names[engine] = row.get("engine", engine)
                    units[row["metric"]] = row["unit"]
                    values[row["case"], row["metric"], engine].append(row["value"])
                    digests.add(row.get("digest", "none"))
    print("\r\033[K", end="", file=sys.stderr)
    if len(digests) > 1:
        sys.exit(f"the engines did not run the same operations: {', '.join(sorted(digests))}")
    return values, units, names


def summarise(values):
    return {key: (min(seen) if key[1].startswith(BEST) else statistics.median(seen)) for key, seen in values.items()}


def print_table(figures, units, names, engines):
    present = [engine for engine in engines if engine in names]
    print("  ".join(f"{engine}: {names[engine]}." for engine in present if names[engine] != engine))
    width = max(15, *(len(engine) + 2 for engine in present))
    print(f"{'':<45}" + "".join(f"{engine:>{width}}" for engine in present))
    for case, metric in dict.fromkeys(key[:2] for key in figures):
        if metric in UNPRINTED:
            continue
        ours = figures.get((case, metric, "weir"))
        cells = []
        for engine in present:
            value = figures.get((case, metric, engine))
            if value is None:
                cells.append(f"{'-':>{width}}")
            elif engine == "weir" or not ours or value <= 0:
                cells.append(f"{value:>{width}.4g}")
            else:
                cells.append(f"{f'{value:.4g} {ours / value:.2f}x':>{width}}")
        print(f"{case:<11} {metric:<18}{units[metric]:<15}" + "".join(cells))
    print("(0.50x: weir's figure is half of that engine's)\n")


def verdict(value, sign, must, stretch):
    meets = (lambda bound: value <= bound) if sign == "<=" else (lambda bound: value >= bound)
    if stretch is not None and meets(stretch):
        return "stretch met"
    if must is None:
        return "stretch missed"
    return "met" if meets(must) else "MISSED"


def judge(figures):
    rows = []
    for case, metric, peer, must, stretch in RATIOS:
        ours, theirs = figures.get((case, metric, "weir")), figures.get((case, metric, peer))
        if ours is None or not theirs:
            continue
        ratio = ours / theirs
        rows.append({"case": case, "metric": metric, "peer": peer, "value": ratio, "sign": "<=", "must": must,
                     "stretch": stretch, "verdict": verdict(ratio, "<=", must, stretch)})
    for case, metric, sign, must, stretch in BOUNDS:
        ours = figures.get((case, metric, "weir"))
        if ours is None:
            continue
        rows.append({"case": case, "metric": metric, "peer": None, "value": ours, "sign": sign, "must": must,
                     "stretch": stretch, "verdict": verdict(ours, sign, must, stretch)})
    return rows


def print_targets(rows):
    def bound(value):
        return "-" if value is None else f"{value:g}"

    for row in rows:
        against = f"/ {row['peer']}" if row["peer"] else ""
        print(f"{row['case']:<12} {row['metric']:<18}{against:<22}{row['value']:>9.3g}  must {row['sign']} {bound(row['must']):<5}"
              f" stretch {bound(row['stretch']):<5} {row['verdict']}")


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main():
    parser = argparse.ArgumentParser(prog="bench/peers/cache/run")
    for path in ("--weir", "--cpp", "--rust", "--java", "--keys"):
        parser.add_argument(path, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="one round of fewer operations")
    parser.add_argument("--rounds", type=int, help="default 3, quick 1")
    parser.add_argument("--json", metavar="FILE", help="write all figures there as well")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--engines", default=",".join(ENGINES))
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.operations = OPERATIONS_QUICK if options.quick else OPERATIONS
    options.cases = options.cases.split(",")
    options.engines = [engine for engine in options.engines.split(",") if engine != "caffeine" or options.java]
    unknown = (set(options.cases) - set(CASES)) | (set(options.engines) - set(ENGINES))
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; cases: {', '.join(CASES)}; engines: {', '.join(ENGINES)}")
    processors = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, processors)
    subprocess.run([options.cpp, "keys", options.keys, str(options.operations)], check=True)
    values, units, names = run_rounds(options)
    os.remove(options.keys)
    figures = summarise(values)
    print(f"{processor()}, processors {processors}, {options.rounds} rounds, {options.operations} operations a stream")
    print_table(figures, units, names, options.engines)
    targets = judge(figures)
    print_targets(targets)
    if options.json:
        rows = [{"case": case, "metric": metric, "unit": units[metric], "engine": names[engine], "value": figure,
                 "rounds": values[case, metric, engine]} for (case, metric, engine), figure in figures.items()]
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"processor": processor(), "kernel": platform.release(), "processors": processors,
                       "rounds": options.rounds, "operations": options.operations, "figures": rows, "targets": targets},
                      file, indent=1)


if __name__ == "__main__":
    main()
