"""Reads the rows of all rounds; prints the best of each figure, its ratio to ours, and whether the scores agree."""

import json
import sys
from collections import defaultdict

BETTER_WHEN_LARGER = {"Mblocks/s"}
METRICS = ["find_p50", "find_p99", "find", "refind_p50", "refind", "store", "heap"]


def main():
    values, units, scores = defaultdict(list), {}, defaultdict(set)
    for line in sys.stdin:
        row = json.loads(line)
        index = row.get("index", "weir")
        values[row["case"], row["metric"], index].append(row["value"])
        units[row["metric"]] = row["unit"]
        scores[row["case"]].add(row["scores"])
    indexes = sorted({key[2] for key in values}, key=lambda name: (name != "weir", name))
    rounds = max(map(len, values.values()))
    for case in dict.fromkeys(key[0] for key in values):
        print(f"{case} ({rounds} rounds, best; ratio: how many times better weir is)")
        for metric in METRICS:
            larger = units[metric] in BETTER_WHEN_LARGER
            best = {name: (max if larger else min)(values[case, metric, name]) for name in indexes if values[case, metric, name]}
            cells = [f"{name} {value:.4g}" for name, value in best.items()]
            for name in indexes[1:]:
                ratio = best["weir"] / best[name] if larger else best[name] / best["weir"]
                cells.append(f"{ratio:.1f}x")
            print(f"  {metric:<11} {units[metric]:<12} " + "  ".join(cells))
        agree = len(scores[case]) == 1
        print(f"  scores of every find {'are equal' if agree else 'DIFFER: ' + ', '.join(sorted(scores[case]))}")
        if not agree:
            sys.exit(1)


if __name__ == "__main__":
    main()
