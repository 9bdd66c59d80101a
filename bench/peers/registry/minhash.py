"""Which agents share blocks with a context, by datasketch's MinHash and LSH: an approximate answer, in whole contexts only.

usage: minhash.py TOKENIZER.json AGENTS

Each context of contexts.py is tokenized with Hugging Face's `tokenizers` and becomes the MinHash of its set of 16-token
blocks. Two of these contexts have a third of their blocks in common; a threshold of 0.15 makes an LSH that misses next to
none of them. A query takes the LSH's candidates and estimates the similarity of each; that all agents share the head gives
the recall. Texts and tokens are not kept, so its memory is that of the index alone.
"""

import sys
import time

import contexts
import numpy as np
import tokenizers
from datasketch import MinHash, MinHashLSH
from rows import Rows, resident_bytes, wanted

BLOCK = 16
PERMUTATIONS = 128
THRESHOLD = 0.15


def block_set(tokenizer, text):
    ids = np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.uint32)
    minhash = MinHash(num_perm=PERMUTATIONS)
    minhash.update_batch([block.tobytes() for block in ids[: len(ids) // BLOCK * BLOCK].reshape(-1, BLOCK)])
    return minhash


def register_all(tokenizer, agents, rows):
    index, known = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS), {}
    system, roles = contexts.head(), [contexts.role(agent) for agent in range(agents)]
    block_set(tokenizer, contexts.prompt(0))  # loads what loads on first use
    before, cpu, seconds = resident_bytes(), time.process_time(), []
    for agent, role in enumerate(roles):
        start = time.perf_counter()
        minhash = block_set(tokenizer, system + contexts.SEPARATOR + role)
        known[contexts.name(agent)] = minhash
        index.insert(contexts.name(agent), minhash)
        seconds.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    grown = resident_bytes() - before
    tokens = contexts.HEAD_TOKENS + 1 + contexts.ROLE_TOKENS
    raw = sum(len((system + contexts.SEPARATOR + role).encode()) + 4 * tokens for role in roles)
    rows.add_registration(seconds, cpu, grown, raw, contexts.digest(agents))
    return index, known


def main():
    tokenizer, agents = tokenizers.Tokenizer.from_file(sys.argv[1]), int(sys.argv[2])
    rows = Rows("datasketch", f"{agents} agents")
    index, known = register_all(tokenizer, agents, rows)
    seconds, found = [], []
    while wanted(seconds):
        prompt = contexts.prompt(len(seconds))
        start = time.perf_counter()
        minhash = block_set(tokenizer, prompt)
        alike = sorted(((known[name].jaccard(minhash), name) for name in index.query(minhash)), reverse=True)
        seconds.append(time.perf_counter() - start)
        found.append(len(alike) / agents)
    rows.add_times("match_prompt", seconds)
    rows.add("match_prompt_recall", sum(found) / len(found), "of agents")


if __name__ == "__main__":
    main()
