"""Prints the figures that peers have, beside weir's, best of the rounds; exit 1 when a digest differs.

usage: compare.py ROWS
"""

import json
import sys
from collections import defaultdict

MORE_IS_BETTER = ("agents/s",)
TIMES_AND_SIZES = ("ms", "us", "ns", "ns/block", "ms/agent", "bytes/agent", "bytes/block", "x")


def read(path):
    """{(bench, case, metric, unit): {who: best value}} and {(bench, case): digests}."""
    figures, digests = defaultdict(dict), defaultdict(set)
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        who = row.get("peer", "weir")
        values = figures[row["bench"], row["case"], row["metric"], row["unit"]]
        better = max if row["unit"] in MORE_IS_BETTER else min
        values[who] = better(values.get(who, row["value"]), row["value"])
        if "digest" in row:
            digests[row["bench"], row["case"]].add(row["digest"])
    return figures, digests


def described(who, value, ours, unit):
    text = f"{who} {value:.4g}"
    if who == "weir" or not ours or not value:
        return text
    if unit in MORE_IS_BETTER:
        return f"{text} ({ours / value:.3g}x)"
    return f"{text} ({value / ours:.3g}x)" if unit in TIMES_AND_SIZES else text


def main():
    figures, digests = read(sys.argv[1])
    before = None
    for (bench, case, metric, unit), values in figures.items():
        if set(values) == {"weir"} or metric.endswith(("_best", "_max")):
            continue
        if before != (bench, case):
            print(f"{bench}, {case}")
            before = bench, case
        ours = values.get("weir")
        order = sorted(values, key=lambda who: (who != "weir", who))
        print(f"  {metric:20} {unit:12} " + "; ".join(described(who, values[who], ours, unit) for who in order))
    wrong = {place: found for place, found in digests.items() if len(found) > 1}
    for (bench, case), found in wrong.items():
        print(f"{bench}, {case}: what was measured DIFFERS: {sorted(found)}")
    if not wrong:
        print("contexts and hits are equal")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
