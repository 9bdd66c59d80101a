"""Runs Weir's block-key benchmark and Python's replicas of the same hashes; prints ns/token and ratios.

usage: compare.py WEIR_BINARY ROUNDS
"""
import hashlib
import json
import pickle
import struct
import subprocess
import sys
import time

import cbor2
import xxhash

TOKENS, BLOCK_SIZE, VOCABULARY = 100_000, 16, 151_643
MASK = (1 << 64) - 1
FNV_START, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def bench_tokens():
    """The tokens of the benchmark: SplitMix64 from seed 1, scaled to the vocabulary."""
    state = 1
    for _ in range(TOKENS):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield ((z ^ (z >> 31)) * VOCABULARY) >> 64


def sha256(data):
    return hashlib.sha256(data).digest()


def vllm(encode, digest):
    """vLLM's chain: hash of (parent, tokens, None), the first parent being the hash of the seed."""
    def keys(blocks):
        parent = digest(encode("0"))
        for block in blocks:
            parent = digest(encode((parent, tuple(block), None)))
        return parent.hex()
    return keys


def pickled(value):
    return pickle.dumps(value, protocol=5)


def canonical(value):
    return cbor2.dumps(value, canonical=True)


def dynamo(blocks):
    sequence = None
    for block in blocks:
        local = xxhash.xxh3_64_intdigest(struct.pack(f"<{len(block)}I", *block), 1337)
        sequence = local if sequence is None else xxhash.xxh3_64_intdigest(struct.pack("<QQ", sequence, local), 1337)
    return str(sequence)


def llmd(blocks):
    def fnv(data):
        value = FNV_START
        for byte in data:
            value = ((value ^ byte) * FNV_PRIME) & MASK
        return value
    parent = fnv(canonical([FNV_START, None, "m"]))
    for block in blocks:
        parent = fnv(canonical([parent, block, None]))
    return str(parent)


REPLICAS = {
    "vllm sha256": vllm(pickled, sha256), "vllm sha256_cbor": vllm(canonical, sha256),
    "vllm xxhash": vllm(pickled, xxhash.xxh3_128_digest), "vllm xxhash_cbor": vllm(canonical, xxhash.xxh3_128_digest),
    "llm-d": llmd, "dynamo": dynamo,
}


def main():
    weir, rounds = sys.argv[1], int(sys.argv[2])
    tokens = list(bench_tokens())
    blocks = [tokens[i:i + BLOCK_SIZE] for i in range(0, TOKENS - BLOCK_SIZE + 1, BLOCK_SIZE)]
    ours, theirs, equal = {}, {}, True
    for _ in range(rounds):
        for line in subprocess.run([weir, "bench", "block-keys", "--json"], check=True, capture_output=True, text=True).stdout.splitlines():
            row = json.loads(line)
            ours[row["case"]] = (min(row["value"], ours.get(row["case"], (row["value"],))[0]), row["last"])
        for name, keys in REPLICAS.items():
            begin = time.perf_counter()
            last = keys(blocks)
            seconds = time.perf_counter() - begin
            theirs[name] = (min(seconds * 1e9 / TOKENS, theirs.get(name, (float("inf"),))[0]), last)
    for name, (value, last) in ours.items():
        line = f"{name:18} weir {value:6.2f} ns/token"
        if name in theirs:
            same = theirs[name][1] == last
            equal = equal and same
            line += f"   Python {theirs[name][0]:7.1f} ns/token   {theirs[name][0] / value:6.1f}x   last key {'equal' if same else 'DIFFERS'}"
        print(line)
    return 0 if equal else 1


sys.exit(main())
