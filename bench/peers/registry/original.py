"""Drives ContextForge's own classes (PyPI: apohara-context-forge, version in requirements.txt) over contexts.py's contexts.

usage: original.py TOKENIZER.json AGENTS [fallback]
       original.py TOKENIZER.json scan HASHES

One process for one number of agents, so that memory is that of its registry alone. Prints a row of JSON for each figure.
Unchanged: ContextRegistry, LSHTokenMatcher, VRAMAwareCache, AnchorPool, FAISSContextIndex, PrefixDedup, TokenCounter.
What is not there, and what stands in for it:
  tokenizer   Hugging Face's `tokenizers` on the tokenizer.json given, in place of transformers, which asks the network for
              the file and is slower; the ids are the same.
  embeddings  no model (the class that it imports is not in qwen3-embed 1.14.0). By default a random unit vector for each
              text, which costs next to nothing: registration is then that of a registry without vectors, and find_similar
              finds nothing alike. With `fallback` the package's own substitute for a missing model.
  GPU         none: its monitor reads no use, the cache's mode stays "relaxed" and nothing is evicted.
  HTTP        not used: its route for registering fills a store that no query searches.
What is asked: pair = get_shared_context of two agents; one_to_all = what that does for one of them, its matcher's search for
a registered context excluding its owner; match_prompt = the same for a new prompt; near_block = the same for 16 new tokens.
get_shared_context of all agents is left out: the matches that it holds grow with the square of their number.
`scan` fills the matcher's store with the hashes that `weir bench near HASHES` wrote and asks for one block.
"""

import asyncio
import hashlib
import logging
import os
import random
import sys
import time

import contexts
import numpy as np
import scan
import tokenizers
from apohara_context_forge.dedup.lsh_engine import LSHTokenMatcher
from apohara_context_forge.embeddings import embedding_engine
from apohara_context_forge.registry.context_registry import ContextRegistry
from apohara_context_forge.token_counter import TokenCounter
from rows import SAMPLES_MAX, Rows, resident_bytes, wanted

DIMENSIONS = 512  # as ContextRegistry asks for
BLOCK = 16


class LocalTokenizer:
    """What TokenCounter calls of a transformers tokenizer."""

    def __init__(self, path):
        self.tokenizer = tokenizers.Tokenizer.from_file(path)

    def encode(self, text, add_special_tokens):
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids


class NoEmbedding(embedding_engine.EmbeddingEngine):
    async def encode(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        vector = np.random.default_rng(seed).standard_normal(self._dim, dtype=np.float32)
        return vector / np.linalg.norm(vector)


def use_local_parts(tokenizer, fallback):
    counter = TokenCounter()
    counter._tokenizer, counter._initialized = LocalTokenizer(tokenizer), True
    TokenCounter._instance = counter
    engine = embedding_engine.EmbeddingEngine if fallback else NoEmbedding
    embedding_engine._instance = engine(dim=DIMENSIONS, use_onnx=False)
    return counter


async def timed(ask):
    """Seconds of each of a row of calls ask(i), and the last answer."""
    seconds, answer = [], None
    while wanted(seconds):
        answer = None
        start = time.perf_counter()
        answer = await ask(len(seconds))
        seconds.append(time.perf_counter() - start)
    return seconds, answer


async def register_all(registry, agents, rows):
    system, roles = contexts.head(), [contexts.role(agent) for agent in range(agents)]
    entry = await registry.register_agent("warm-up", system, contexts.role(agents))  # loads what loads on first use
    if entry.token_count != contexts.HEAD_TOKENS + 1 + contexts.ROLE_TOKENS:
        sys.exit(f"a context has {entry.token_count} tokens with this tokenizer; it must be Qwen3's")
    await registry.clear_agent("warm-up")
    before, cpu, seconds = resident_bytes(), time.process_time(), []
    for agent in range(agents):
        start = time.perf_counter()
        await registry.register_agent(contexts.name(agent), system, roles[agent])
        seconds.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    grown = resident_bytes() - before
    raw = sum(len((system + contexts.SEPARATOR + role).encode()) + 4 * entry.token_count for role in roles)
    rows.add_registration(seconds, cpu, grown, raw, contexts.digest(agents))


async def ask_all(registry, agents, rows):
    matcher, names = registry.lsh_matcher, [contexts.name(agent) for agent in range(agents)]
    order = random.Random(3)
    rows.add("stored_hashes", (await matcher.stats())["total_blocks"], "hashes")

    async def pair(_):
        return await registry.get_shared_context(order.sample(names, 2))

    async def against_all(_):
        agent = order.randrange(agents)
        context = await registry.get_agent_context(names[agent])
        return await matcher.find_reusable_blocks(context, exclude_agent=names[agent])

    async def new_prompt(number):
        return await matcher.find_reusable_blocks(contexts.prompt(number))

    async def one_block(number):
        return await matcher.find_reusable_blocks(contexts.text(2 * 10**12 + number, BLOCK))

    seconds, answer = await timed(pair)
    rows.add_times("pair", seconds)
    for result in answer[:1]:
        rows.add("pair_tokens_saved", result.total_tokens_saved, "tokens", shared=contexts.HEAD_TOKENS // BLOCK * BLOCK)
    seconds, answer = await timed(against_all)
    rows.add_times("one_to_all", seconds)
    rows.add("one_to_all_matches", len(answer), "matches")
    seconds, _ = await timed(new_prompt)
    rows.add_times("match_prompt", seconds)
    seconds, _ = await timed(one_block)
    rows.add_times("near_block", seconds, "us")


async def ask_similar(registry, rows):
    seconds, answer = await timed(lambda number: registry.find_similar(contexts.prompt(number)))
    rows.add_times("find_similar", seconds)
    rows.add("find_similar_found", len(answer), "agents")


async def remove_some(registry, agents, rows):
    seconds = []
    for agent in range(min(agents, SAMPLES_MAX)):
        start = time.perf_counter()
        await registry.clear_agent(contexts.name(agent))
        seconds.append(time.perf_counter() - start)
    rows.add_times("remove", seconds)
    left = registry.faiss_index.size - 1 - (agents - len(seconds))  # 1: the warm-up's
    rows.add("remove_vectors_left", left, "vectors", removed=len(seconds))


async def measure(tokenizer, agents, fallback):
    use_local_parts(tokenizer, fallback)
    registry = ContextRegistry()
    await registry.start()
    rows = Rows("contextforge (fallback embeddings)" if fallback else "contextforge", f"{agents} agents")
    await register_all(registry, agents, rows)
    if not fallback:  # the embeddings change none of these
        await ask_all(registry, agents, rows)
    await ask_similar(registry, rows)
    mode, kept = await registry.get_vram_mode(), registry.vram_cache.size
    if mode != "relaxed" or kept != agents:
        sys.exit(f"its cache went into mode {mode} and kept {kept} of {agents} contexts: these figures are worth nothing")
    await remove_some(registry, agents, rows)
    await registry.stop()


async def measure_scan(tokenizer, file):
    use_local_parts(tokenizer, False)
    matcher = LSHTokenMatcher()
    with open(file, "rb") as source:
        stored, _ = scan.numbers(source.read(), 0)
    matcher._block_store = {value: [((0,) * BLOCK, "agent-0")] for value in stored}
    matcher._agent_blocks = {"agent-0": stored}
    seconds, _ = await timed(lambda i: matcher.find_reusable_blocks(contexts.text(2 * 10**12 + i, BLOCK)))
    rows = Rows("contextforge", f"{len(stored)} blocks", bench="near")
    rows.add_times("find", seconds, "us")
    rows.add("find_per_hash", min(seconds) / len(stored) * 1e9, "ns")


def main():
    logging.disable(logging.WARNING)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if sys.argv[2] == "scan":
        asyncio.run(measure_scan(sys.argv[1], sys.argv[3]))
    else:
        asyncio.run(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["fallback"]))


if __name__ == "__main__":
    main()
