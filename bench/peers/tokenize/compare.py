"""Times tokenizers on the same documents in interleaved rounds, and checks their ids against Hugging Face's.

Started by the script `run` beside it. Per class of text 7.5 MB in documents of 64 to 80 KB; each round loads every peer
afresh and takes cold (5 MB, nothing seen before), unseen (2.5 MB of other documents, caches warm) and warm (the first
5 MB again). One thread, pinned to one CPU, in processor time. Reported is the best round in MB/s (1e6 bytes), and Weir's ratio to
the best peer whose ids equal HF's.
"""
import argparse
import gc
import hashlib
import importlib.util
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import time

import corpus
import numpy as np
import tokenizers

MB = 1_000_000
COLD_BYTES, UNSEEN_BYTES = 5 * MB, MB * 5 // 2
CLASSES = ("prose", "code", "multilingual", "json")
PHASES = ("cold", "unseen", "warm")


class Fastokens:
    name = "fastokens"

    def __init__(self, path):
        import fastokens
        self.tokenizer = fastokens.Tokenizer.from_file(path)
        self.encode = self.tokenizer.encode  # ids become a Python list only when asked for

    def ids(self, text):
        return self.tokenizer.encode(text).ids


class Gigatoken:
    name = "gigatoken"

    def __init__(self, path):
        import gigatoken
        self.encode = self.ids = gigatoken.Tokenizer(path).encode


class Gigatok:
    name = "gigatok"

    def __init__(self, path):
        import gigatok
        self.encode = self.ids = gigatok.Tokenizer(path).encode


class Nanotoken:  # WordPiece alone
    name = "nanotoken"

    def __init__(self, path):
        import nanotoken
        tokenizer = nanotoken.Tokenizer(path)
        self.encode = self.ids = lambda text: tokenizer.encode(text, add_special_tokens=False)


class Splintr:
    name = "splintr"

    def __init__(self, path):
        import splintr
        self.tokenizer = splintr.from_json(path)
        self.encode = self.ids = self.tokenizer.encode_with_special


def hf_tokenizer(path):
    """Without the truncation and padding that files of embedding models ask for."""
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Tokenizers:
    name = "tokenizers (HF)"

    def __init__(self, path):
        tokenizer = hf_tokenizer(path)
        self.encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
        self.ids = lambda text: self.encode(text).ids


PEERS = {peer.name.split()[0]: peer for peer in (Fastokens, Gigatoken, Gigatok, Nanotoken, Splintr, Tokenizers)}


class Weir:
    """Our encoder in a process of its own, on the same CPU, timed by itself."""

    def __init__(self, binaries, tokenizer, docs, folder):
        self.path = folder / f"documents-{os.getpid()}"
        with self.path.open("wb") as out:
            for doc in docs:
                raw = doc.encode()
                out.write(struct.pack("<I", len(raw)) + raw)
        self.process = subprocess.Popen([binaries / "weir_tokenize_rounds", tokenizer, self.path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.path.unlink()


def class_documents(cache):
    """{class: documents}, each class COLD_BYTES + UNSEEN_BYTES long."""
    size = COLD_BYTES + UNSEEN_BYTES
    texts = corpus.class_texts(cache, {"prose": size * 1.2, "code": size * 1.1, "cjk": size * 0.7, "world": size * 0.25,
                                       "json": size * 1.1, "emoji": size * 0.15})
    rng = random.Random(21)
    mixed = [piece for name in ("cjk", "world", "emoji") for piece in corpus.cut(texts[name], rng, 500, 8000)]
    rng.shuffle(mixed)
    texts = {"prose": texts["prose"], "code": texts["code"], "multilingual": "".join(mixed), "json": texts["json"]}
    found = {}
    for name, text in texts.items():
        pieces, used, raw = [], 0, text.encode()
        while used < min(size, len(raw)):
            piece = raw[used:used + rng.randrange(64_000, 80_000)].decode(errors="ignore")
            pieces.append(piece)
            used += len(piece.encode()) or 1
        rng.shuffle(pieces)
        found[name] = pieces
    return found


def split_at(docs):
    """How many documents make up COLD_BYTES."""
    size = 0
    for index, doc in enumerate(docs):
        size += len(doc.encode())
        if size >= COLD_BYTES:
            return index + 1
    return max(1, len(docs) * 2 // 3)


def hf_ids(cache, path, docs):
    key = hashlib.sha256(path.read_bytes() + tokenizers.__version__.encode())
    for doc in docs:
        key.update(doc.encode() + b"\0")
    kept = cache / "hf" / f"peers-{key.hexdigest()[:24]}.npz"
    if not kept.exists():
        tokenizer = hf_tokenizer(path)
        kept.parent.mkdir(exist_ok=True)
        with kept.open("wb") as out:
            np.savez(out, *[np.array(tokenizer.encode(doc, add_special_tokens=False).ids, dtype=np.uint32) for doc in docs])
    with np.load(kept) as stored:
        return [stored[f"arr_{i}"] for i in range(len(docs))]


def timed(encode, docs):
    begin = time.process_time()
    for doc in docs:
        encode(doc)
    return time.process_time() - begin


def measure_round(peers, weir, path, docs, cut, best):
    """One round of every tokenizer; keeps the shortest times in best[name][phase], and loads."""
    def keep(name, phase, seconds):
        best.setdefault(name, {}).setdefault(phase, math.inf)
        best[name][phase] = min(best[name][phase], seconds)
    for peer in peers:
        begin = time.process_time()
        tokenizer = peer(str(path))
        keep(peer.name, "load", time.process_time() - begin)
        for phase, some in zip(PHASES, (docs[:cut], docs[cut:], docs[:cut])):
            keep(peer.name, phase, timed(tokenizer.encode, some))
        del tokenizer
        gc.collect()
    weir.ask("fresh")
    for phase, span in zip(PHASES, ((0, cut), (cut, len(docs)), (0, cut))):
        keep("weir", phase, weir.ask(f"{span[0]} {span[1]}"))


def hf_comparison():
    """tests/hf/compare.py as a module; its plain name is ours."""
    spec = importlib.util.spec_from_file_location("hf_comparison", pathlib.Path(corpus.__file__).with_name("compare.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.np = np
    return module


def different_documents(peers, encoder, path, docs, expected):
    """{name: documents whose ids are not HF's}."""
    found = {}
    for peer in peers:
        tokenizer = peer(str(path))
        found[peer.name] = sum(not np.array_equal(np.asarray(tokenizer.ids(doc)), ids) for doc, ids in zip(docs, expected))
    pipe = hf_comparison().Weir(encoder, path)
    found["weir"] = sum(isinstance(ours, str) or not np.array_equal(ours[0], ids) for ours, ids in zip(pipe.many(docs), expected))
    pipe.close()
    return found


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def run_family(arguments, path, classes, peers):
    rows, ratios = [], {phase: [] for phase in PHASES}
    print(f"\n{path.parent.name}: MB/s cold / unseen / warm, best of {arguments.rounds} rounds; * ids differ from HF's")
    for name, docs in classes.items():
        cut = split_at(docs)
        sizes = dict(zip(PHASES, (sum(len(doc.encode()) for doc in some) for some in (docs[:cut], docs[cut:], docs[:cut]))))
        wrong = different_documents(peers, arguments.binaries / "weir_encode_ids", path, docs, hf_ids(arguments.cache, path, docs))
        weir = Weir(arguments.binaries, path, docs, arguments.cache)
        best = {}
        for _ in range(arguments.rounds):
            measure_round(peers, weir, path, docs, cut, best)
        weir.close()
        exact = [other for other in best if other != "weir" and wrong[other] == 0]
        for other, seconds in best.items():
            speeds = {phase: sizes[phase] / MB / seconds[phase] for phase in PHASES}
            rows.append({"family": path.parent.name, "class": name, "tokenizer": other, "different_documents": wrong[other],
                         "documents": len(docs), "load_ms": 1e3 * seconds["load"] if "load" in seconds else None,
                         **{f"{phase}_mb_s": round(speed, 1) for phase, speed in speeds.items()}})
            print(f"  {name:13} {other:16} " + " / ".join(f"{speeds[phase]:6.1f}" for phase in PHASES)
                  + (f"   * {wrong[other]} of {len(docs)}" if wrong[other] else ""))
        if exact:
            ratio = {phase: min(best[other][phase] for other in exact) / best["weir"][phase] for phase in PHASES}
            for phase in PHASES:
                ratios[phase].append(ratio[phase])
            print(f"  {name:13} weir / best exact " + " / ".join(f"{ratio[phase]:5.2f}x" for phase in PHASES), flush=True)
            rows.append({"family": path.parent.name, "class": name, "ratio_to_best_exact": {p: round(r, 3) for p, r in ratio.items()}})
    if all(ratios.values()):
        means = {phase: round(geometric_mean(values), 3) for phase, values in ratios.items()}
        print("  geometric mean    " + " / ".join(f"{means[phase]:5.2f}x" for phase in PHASES))
        rows.append({"family": path.parent.name, "class": "geometric mean", "ratio_to_best_exact": means})
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    parser.add_argument("--family", action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="fastokens,gigatoken,gigatok,splintr")
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one thread; the child inherits it
    peers = [PEERS[name] for name in arguments.peers.split(",")]
    wanted = arguments.classes.split(",")
    classes = {name: docs for name, docs in class_documents(arguments.cache).items() if name in wanted}
    rows = []
    for family in arguments.family or ["qwen3", "llama3"]:
        # Byte-level BPE lies with the tokenizers, WordPiece with the embedding models.
        path = arguments.cache / "tokenizers" / family / "tokenizer.json"
        path = path if path.exists() else arguments.cache / "models" / family / "tokenizer.json"
        rows += run_family(arguments, path, classes, peers)
    if arguments.json:
        arguments.json.write_text("".join(json.dumps(row) + "\n" for row in rows))


sys.exit(main())
