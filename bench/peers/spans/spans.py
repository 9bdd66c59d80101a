"""All maximal common runs of 32 tokens or more between 50 documents, by a suffix array (pydivsufsort) and numpy.

Makes the corpus of `weir bench spans` (case "50 x 20k, planted"), does the same job and prints the same rows with the same
digest of the spans found. usage: spans.py [rounds]
"""

import json
import sys
import time

import numpy as np
from pydivsufsort import divsufsort, kasai

VOCABULARY = 151_643
SLOT = 1000
TOKENS_MIN = 32
U64 = np.uint64


def mix(x):
    """SplitMix64: the first value of the generator seeded with x, on arrays."""
    z = x + U64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return z ^ (z >> U64(31))


class Stream:
    def __init__(self, seed):
        self.state = seed

    def below(self, bound, count):
        steps = np.arange(count, dtype=U64) * U64(0x9E3779B97F4A7C15) + U64(self.state)
        self.state = (self.state + count * 0x9E3779B97F4A7C15) % 2**64
        x = mix(steps)
        low = ((x & U64(0xFFFFFFFF)) * U64(bound)) >> U64(32)
        return ((x >> U64(32)) * U64(bound) + low) >> U64(32)

    def one(self, bound):
        return int(self.below(bound, 1)[0])


def corpus(documents=50, tokens=20_000, passages=200):
    stream = Stream(1)
    texts = [stream.below(VOCABULARY, tokens) for _ in range(documents)]
    pool = []
    for _ in range(passages):
        length = 32 + stream.one(369)
        pool.append(stream.below(VOCABULARY, length))
    for text in texts:
        for slot in range(tokens // SLOT):
            passage = pool[stream.one(passages)]
            begin = slot * SLOT + stream.one(SLOT - len(passage) + 1)
            text[begin : begin + len(passage)] = passage
    return [text.astype(np.uint32) for text in texts]


def common_spans(texts):
    """Arrays a, b, a_begin, b_begin, length of every maximal run between two texts."""
    parts, document, begin = [], [], []
    for number, text in enumerate(texts):
        parts += [text, np.array([VOCABULARY + number], dtype=np.uint32)]  # no run crosses a separator
        document.append(np.full(len(text) + 1, number, dtype=np.int32))
        begin.append(np.arange(len(text) + 1, dtype=np.int64))
    joined, document, begin = np.concatenate(parts), np.concatenate(document), np.concatenate(begin)
    suffixes = divsufsort(joined)
    lcp = kasai(joined, suffixes)  # lcp[i]: between suffixes i and i + 1
    before = np.concatenate([[np.uint32(2**32 - 1)], joined[:-1]])
    out = []
    rows = np.flatnonzero(lcp[:-1] >= TOKENS_MIN)
    shared = lcp[rows].astype(np.int64)
    step = 1
    while len(rows):
        x, y = suffixes[rows], suffixes[rows + step]
        keep = (document[x] != document[y]) & ((before[x] != before[y]) | (begin[x] == 0) | (begin[y] == 0))
        x, y, length = x[keep], y[keep], shared[keep]
        swap = document[x] > document[y]
        x, y = np.where(swap, y, x), np.where(swap, x, y)
        out.append((document[x], document[y], begin[x], begin[y], length))
        on = (rows + step < len(lcp) - 1) & (lcp[np.minimum(rows + step, len(lcp) - 1)] >= TOKENS_MIN)
        rows, shared = rows[on], np.minimum(shared[on], lcp[rows[on] + step])
        step += 1
    return [np.concatenate(column).astype(U64) for column in zip(*out)]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    texts = corpus()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        a, b, a_begin, b_begin, length = common_spans(texts)
        seconds.append(time.perf_counter() - start)
    digest = mix(mix((a << U64(32)) + b) ^ (mix((a_begin << U64(32)) + b_begin) + length)).sum(dtype=U64)
    for metric, value in (("best", min(seconds)), ("median", sorted(seconds)[len(seconds) // 2])):
        print(json.dumps({"bench": "spans", "case": "50 x 20k, planted", "metric": metric, "value": value * 1e3, "unit": "ms",
                          "peer": "pydivsufsort", "spans": len(a), "digest": f"{int(digest):016x}"}))


if __name__ == "__main__":
    main()
