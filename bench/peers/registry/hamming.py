"""All hashes within the radius by faiss: its flat scan, and its multi-index hashing set up for full recall.

usage: hamming.py HASHES     what `weir bench near HASHES` wrote

Rows and digest as bench/peers/near/scan.py prints them. Eight differing bits leave one of three 21-bit parts with at most
two of them, so two flips a table find all; four parts of 16 bits are slower. One thread; timed is the call from Python for
one query.
"""

import sys
import time

import faiss
import numpy as np
import scan
from rows import Rows, resident_bytes

DIGEST_QUERIES = 20


def codes(values):
    return np.array(values, dtype="<u8").view(np.uint8).reshape(-1, 8)


def measure(peer, index, stored, queries):
    rows = Rows(peer, f"{len(stored)} blocks", bench="near")
    before, start = resident_bytes(), time.perf_counter()
    index.add(stored)
    rows.add("add", (time.perf_counter() - start) / len(stored) * 1e9, "ns/block")
    rows.add("bytes", (resident_bytes() - before) / len(stored), "bytes/block")
    index.range_search(queries[:1], scan.RADIUS + 1)
    seconds, digest = [], 0
    for i in range(len(queries)):
        start = time.perf_counter()
        _, distances, _ = index.range_search(queries[i : i + 1], scan.RADIUS + 1)  # strictly below its radius
        seconds.append(time.perf_counter() - start)
        if i >= DIGEST_QUERIES:
            continue
        found = np.bincount(distances.astype(np.int64), minlength=scan.RADIUS + 1)
        for distance in range(scan.RADIUS + 1):
            digest += scan.mix((scan.mix(i * (scan.RADIUS + 1) + distance) + int(found[distance])) & scan.MASK)
    rows.add_times("find", seconds, "us", digest=f"{digest & scan.MASK:016x}")


def main():
    data = open(sys.argv[1], "rb").read()
    stored, at = scan.numbers(data, 0)
    queries, _ = scan.numbers(data, at)
    stored, queries = codes(stored), codes(queries)
    faiss.omp_set_num_threads(1)
    multi = faiss.IndexBinaryMultiHash(64, 3, 21)
    multi.nflip = 2
    measure("faiss multi-hash", multi, stored, queries)
    measure("faiss flat", faiss.IndexBinaryFlat(64), stored, queries[:200])


if __name__ == "__main__":
    main()
