"""The vectors of `weir bench vectors` in other hands: numpy comparing all, and the HNSW graph of faiss with the same settings.

usage: peers.py FILE     FILE: what `weir bench vectors N FILE` wrote
"""

import json
import sys
import time

import faiss
import numpy as np

FIRST = 10


def row(count, peer, metric, value, unit):
    print(json.dumps({"bench": "vectors", "case": f"{count} themed", "peer": peer, "metric": metric, "value": value, "unit": unit}))


def main():
    with open(sys.argv[1], "rb") as file:
        dimensions, count, queries = np.fromfile(file, dtype=np.uint32, count=3).tolist()
        vectors = np.fromfile(file, dtype=np.float32, count=count * dimensions).reshape(count, dimensions)
        asked = np.fromfile(file, dtype=np.float32, count=queries * dimensions).reshape(queries, dimensions)
    faiss.omp_set_num_threads(1)
    best, seconds = [], []
    for query in asked:
        start = time.perf_counter()
        similarity = vectors @ query
        first = np.argpartition(-similarity, FIRST)[:FIRST]
        first = first[np.argsort(-similarity[first])]
        seconds.append(time.perf_counter() - start)
        best.append(similarity[first[-1]] - 1e-6)
    row(count, "numpy", "find_p50", float(np.median(seconds)) * 1e6, "us")
    index = faiss.IndexHNSWFlat(dimensions, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128
    index.hnsw.efSearch = 64
    start = time.perf_counter()
    for vector in vectors:
        index.add(vector.reshape(1, dimensions))
    row(count, "faiss", "add", (time.perf_counter() - start) / count * 1e6, "us/vector")
    seconds, right = [], 0
    for query, least in zip(asked, best):
        start = time.perf_counter()
        similarity, _ = index.search(query.reshape(1, dimensions), FIRST)
        seconds.append(time.perf_counter() - start)
        right += int((similarity[0] >= least).sum())
    row(count, "faiss", "find_p50", float(np.median(seconds)) * 1e6, "us")
    row(count, "faiss", "recall@10", right / (queries * FIRST), "")


if __name__ == "__main__":
    main()
