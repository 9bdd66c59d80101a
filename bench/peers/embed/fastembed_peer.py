"""fastembed on the same model and texts as its users call it: batches of 32 and of 256 texts, its own tokenizing included.

usage: fastembed_peer.py FOLDER TEXTS IDS THREADS     FOLDER: model.onnx and the tokenizer's files
"""
import json
import sys
import time

import numpy as np
from fastembed import TextEmbedding

texts = [json.loads(line) for line in open(sys.argv[2])]
tokens = sum(len(json.loads(line)) for line in open(sys.argv[3]))
threads = int(sys.argv[4])
model = TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=sys.argv[1], threads=threads,
                      local_files_only=True)
for size in (32, 256):
    begun, begun_cpu = time.perf_counter(), time.process_time()
    vectors = np.array(list(model.embed(texts, batch_size=size)))
    wall, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    assert vectors.shape == (len(texts), 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    for metric, value in (("cold", len(texts) / wall), ("cold_tokens_cpu", tokens / cpu)):
        print(json.dumps({"peer": "fastembed", "case": f"batches {size}, {threads} threads", "metric": metric, "value": value}))
