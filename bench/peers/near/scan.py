"""A plain Python loop over stored hashes, which is how Python prefix matchers search: one row per figure.

usage: scan.py HASHES [queries]     HASHES: what `weir bench near HASHES` wrote
"""

import json
import statistics
import struct
import sys
import time

RADIUS = 8
MASK = (1 << 64) - 1


def numbers(data, at):
    (count,) = struct.unpack_from("<Q", data, at)
    return list(struct.unpack_from(f"<{count}Q", data, at + 8)), at + 8 + 8 * count


def mix(x):
    """SplitMix64, as weir/base/random.h: the digest of both sides."""
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def main():
    data = open(sys.argv[1], "rb").read()
    stored, at = numbers(data, 0)
    queries, _ = numbers(data, at)
    queries = queries[: int(sys.argv[2]) if len(sys.argv) > 2 else 20]
    popcount = int.bit_count if hasattr(int, "bit_count") else (lambda x: bin(x).count("1"))
    seconds, digest = [], 0
    for i, query in enumerate(queries):
        start = time.perf_counter()
        hits = []
        for place, value in enumerate(stored):
            distance = popcount(value ^ query)
            if distance <= RADIUS:
                hits.append((distance, place))
        seconds.append(time.perf_counter() - start)
        for distance in range(RADIUS + 1):
            found = sum(1 for hit in hits if hit[0] == distance)
            digest = (digest + mix((mix(i * (RADIUS + 1) + distance) + found) & MASK)) & MASK
    row = {"bench": "near", "case": f"{len(stored)} blocks", "peer": "python loop", "unit": "us", "digest": f"{digest:016x}"}
    print(json.dumps({**row, "metric": "find_p50", "value": statistics.median(seconds) * 1e6}))
    print(json.dumps({**row, "metric": "find_best", "value": min(seconds) * 1e6}))


if __name__ == "__main__":
    main()
