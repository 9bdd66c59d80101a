"""ONNX Runtime on the same model and the same ids: tuned by hand (sorted by length, one to eight texts a call, next to no
padding) and as text wrappers use it (batches of 32 and 256 in the order given, padded to the longest).

usage: peers.py MODEL_ONNX IDS THREADS
"""
import json
import sys
import time

import numpy as np
import onnxruntime as ort

ids = [json.loads(line) for line in open(sys.argv[2])]
threads = int(sys.argv[3])
options = ort.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
names = [entry.name for entry in session.get_inputs()]


def embed(batch):
    longest = max(map(len, batch))
    tokens = np.zeros((len(batch), longest), np.int64)
    mask = np.zeros_like(tokens)
    for row, text in enumerate(batch):
        tokens[row, :len(text)] = text
        mask[row, :len(text)] = 1
    feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    hidden = session.run(None, {name: feed[name] for name in names})[0]
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def measure(case, order, size, rounds):
    wall = cpu = 1e9
    for _ in range(rounds):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        for at in range(0, len(order), size):
            embed([ids[i] for i in order[at:at + size]])
        wall, cpu = min(wall, time.perf_counter() - begun), min(cpu, time.process_time() - begun_cpu)
    tokens = sum(map(len, ids))
    for metric, value in (("cold", len(ids) / wall), ("cold_tokens_cpu", tokens / cpu)):
        print(json.dumps({"peer": "onnxruntime", "case": f"{case}, {threads} threads", "metric": metric, "value": value}))


given = list(range(len(ids)))
by_length = sorted(given, key=lambda i: len(ids[i]))
for size in (1, 4, 8):
    measure(f"sorted {size}", by_length, size, 3)
measure("padded 32", given, 32, 1)
measure("padded 256", given, 256, 1)
