#!/usr/bin/env python3
"""Compares Weir's token ids with those of Hugging Face `tokenizers`, over about 22 MiB of text (see corpus.py).

usage: compare.py --encoder BINARY --cache FOLDER [--family NAME]... [--sample-mib N] [--report FILE]

For every CACHE/tokenizers/NAME/tokenizer.json and CACHE/models/NAME/tokenizer.json: ids without and (on a part) with special
tokens, byte offsets where HF's are comparable (of WordPiece: all of them), and decoding. qwen3 takes the whole corpus, the
others --sample-mib of it; WordPiece in several variants, and on texts of its own (see wordpiece.py). HF's answers are kept in
CACHE/hf, so that a second run only runs Weir. A difference is cut down to a small text and printed; --report appends
it to a file as well. Exit codes: 0 equal, 1 different, 77 nothing to compare with.
"""
import argparse
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

import corpus
import wordpiece

SKIP = 77
OFFSETS_MIB = 1  # of the sample are compared by offset, and again with special tokens
SHOWN_MAX = 5    # differences a family
FEW_MIB = 0.25   # of the sample, for the lesser variants of a WordPiece tokenizer
DECODED = 300    # documents of a WordPiece tokenizer are decoded
FULL_FAMILY = "qwen3"
CORPUS_BYTES_MIN = 20_000_000


class Weir:
    """The test executable behind a pipe."""

    def __init__(self, binary, tokenizer):
        self.process = subprocess.Popen([binary, tokenizer], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, raw, flags):
        self.process.stdin.write(struct.pack("<II", flags, len(raw)) + raw)

    def receive(self):
        status, size = struct.unpack("<II", self.read(8))
        if status:
            return self.read(size).decode(errors="replace")
        ids = np.frombuffer(self.read(4 * size), dtype="<u4")
        begins = np.frombuffer(self.read(4 * size), dtype="<u4")
        return ids, begins, struct.unpack("<I", self.read(4))[0] == 1

    def read(self, size):
        raw = self.process.stdout.read(size)
        if len(raw) != size:
            raise RuntimeError("weir_encode_ids stopped: it could not load the tokenizer, or crashed")
        return raw

    def one(self, text, special=False):
        self.send(text.encode(), special)
        self.process.stdin.flush()
        return self.receive()

    def decoded(self, text):
        self.send(text.encode(), 2)
        self.process.stdin.flush()
        ours = self.receive()
        return ours if isinstance(ours, str) else self.read(struct.unpack("<I", self.read(4))[0]).decode()

    def many(self, texts, special=False):
        def feed():
            try:
                for text in texts:
                    self.send(text.encode(), special)
                self.process.stdin.flush()
            except BrokenPipeError:
                pass
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            for _ in texts:
                yield self.receive()
        finally:
            feeder.join()

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def sample(docs, limit):
    size, found = 0, []
    for doc in docs:
        if size >= limit:
            break
        found.append(doc)
        size += len(doc[1].encode())
    return found


def load_corpus(cache, tokenizers):
    """From the cache when this very generator made it for these very tokenizers."""
    source = pathlib.Path(corpus.__file__).read_bytes()
    key = hashlib.sha256(source + "".join(f"{p.parent.name} {p.stat().st_size};" for p in tokenizers).encode()).hexdigest()[:24]
    path = cache / "hf" / f"corpus-{key}.jsonl"
    if path.exists():
        docs = [tuple(json.loads(line)) for line in path.open(encoding="utf-8")]
    else:
        print("building the corpus ...", flush=True)
        docs = corpus.documents(cache, tokenizers)
        save(path, lambda out: out.write("".join(json.dumps(doc) + "\n" for doc in docs).encode()))
    size = sum(len(text.encode()) for _, text in docs)
    if size < CORPUS_BYTES_MIN:
        sys.exit(f"the corpus has only {size / 1e6:.1f} MB: run scripts/setup for its sources, delete {path} and try again")
    return docs, corpus.fingerprint(docs)


def save(path, write):
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with scratch.open("wb") as out:
        write(out)
    scratch.rename(path)


def hf_encode(tokenizer, texts, special, offsets):
    """(ids of all texts, counts, first characters or nothing)."""
    ids, counts, starts = [], [], []
    at = 0
    while at < len(texts):
        batch, size = [], 0
        while at < len(texts) and (not batch or size < corpus.MEBIBYTE):
            batch.append(texts[at])
            size += len(texts[at])
            at += 1
        for encoding in tokenizer.encode_batch(batch, add_special_tokens=special):
            counts.append(len(encoding.ids))
            ids.append(np.array(encoding.ids, dtype=np.uint32))
            if offsets:
                starts.append(np.array([first for first, _ in encoding.offsets], dtype=np.uint32))
    join = lambda parts: np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)
    return {"ids": join(ids), "counts": np.array(counts), "starts": join(starts)}


def offset_fault(text, begins, starts):
    """The first token whose start differs beyond what HF's trimming of blanks explains, or None."""
    sizes = np.array([len(c.encode()) for c in text] or [0])
    at_char = np.concatenate(([0], np.cumsum(sizes)))  # byte offset of each character
    char_at = np.repeat(np.arange(len(sizes)), sizes) if len(text) else np.zeros(0, dtype=int)
    char_at = np.append(char_at, len(text))
    ours = char_at[np.minimum(begins, at_char[-1])]  # HF counts characters; a token inside one starts with it
    for i in np.nonzero(ours != starts)[0]:
        gap = text[ours[i]:starts[i]]
        if starts[i] < ours[i] or gap.strip() or not gap:
            return int(i)
    return None


def shrink(text, differs, tries=400):
    """A smaller text that still differs: drops ever smaller pieces."""
    piece = max(1, len(text) // 2)
    while piece >= 1 and tries > 0:
        at, dropped = 0, False
        while at < len(text) and tries > 0:
            shorter = text[:at] + text[at + piece:]
            tries -= 1
            if shorter and differs(shorter):
                text, dropped = shorter, True
            else:
                at += piece
        if piece == 1 and not dropped:
            break
        piece = max(1, piece // 2)
    return text


def byte_starts(text, starts):
    """Byte offsets of characters."""
    sizes = np.array([len(c.encode()) for c in text] or [0])
    return np.concatenate(([0], np.cumsum(sizes)))[starts]


class Comparison:
    def __init__(self, arguments, path, word_piece):
        self.arguments, self.path, self.name, self.word_piece = arguments, path, path.parent.name, word_piece
        self.weir = Weir(arguments.encoder, path)
        self.file_hash = hashlib.sha256(path.read_bytes()).hexdigest()
        self.hf = None
        self.faults = 0
        self.shown = set()

    def load_hf(self):
        if self.hf is None:
            self.hf = tokenizers.Tokenizer.from_file(str(self.path))
            self.hf.no_truncation()
            self.hf.no_padding()
        return self.hf

    def hf_one(self, text, special):
        return self.load_hf().encode(text, add_special_tokens=special).ids

    def hf_answers(self, texts, corpus_hash, special, offsets):
        """HF's answers, from the cache where they are; with the seconds that HF took now."""
        key = json.dumps([self.file_hash, corpus_hash, len(texts), special, offsets, tokenizers.__version__])
        kept = self.arguments.cache / "hf" / f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
        if kept.exists():
            with np.load(kept) as stored:
                return dict(stored), 0.0
        begin = time.monotonic()
        answers = hf_encode(self.load_hf(), texts, special, offsets)
        save(kept, lambda out: np.savez(out, **answers))
        return answers, time.monotonic() - begin

    def differs(self, text, special):
        ours = self.weir.one(text, special)
        return isinstance(ours, str) or list(ours[0]) != self.hf_one(text, special)

    def report(self, kind, what, text, special):
        """Counts a difference; cuts down and shows the first few."""
        self.faults += 1
        if len(self.shown) >= SHOWN_MAX:
            return
        small = text
        if what == "ids" and self.differs(text, special):
            small = shrink(text, lambda shorter: self.differs(shorter, special))
        if (what, small) in self.shown:
            return
        self.shown.add((what, small))
        ours = self.weir.one(small, special)
        line = json.dumps({"family": self.name, "class": kind, "differs": what, "special": special, "text": small[:2000],
                           "hf": self.hf_one(small, special)[:60], "weir": ours if isinstance(ours, str) else [int(i) for i in ours[0][:60]]})
        print("  " + line, flush=True)
        if self.arguments.report:
            with open(self.arguments.report, "a", encoding="utf-8") as out:
                out.write(line + "\n")

    def check_ids(self, docs, answers, special):
        """Compares ids (and decoding); returns Weir's answers for the documents that have offsets."""
        found, at = [], 0
        # Differences are looked into after the last answer: the pipe is busy until then.
        wrong = []
        for (kind, text), count, ours in zip(docs, answers["counts"], self.weir.many([text for _, text in docs], special)):
            expected = answers["ids"][at:at + count]
            at += count
            found.append(ours)
            if isinstance(ours, str) or not np.array_equal(ours[0], expected):
                wrong.append((kind, "ids", text))
            elif not special and not self.word_piece and not ours[2] and unicodedata.normalize("NFC", text) == text:
                wrong.append((kind, "decoding", text))
        for kind, what, text in wrong:
            self.report(kind, what, text, special)
        return found

    def check_offsets(self, docs, answers, found):
        at = 0
        for (kind, text), count, ours in zip(docs, answers["counts"], found):
            starts = answers["starts"][at:at + count]
            at += count
            if isinstance(ours, str) or len(ours[0]) != count:
                continue
            if self.word_piece:
                wrong = np.nonzero(byte_starts(text, starts) != ours[1])[0]
                fault = int(wrong[0]) if len(wrong) else None
            else:
                fault = offset_fault(text, ours[1], starts) if unicodedata.normalize("NFC", text) == text else None
            if fault is not None:
                self.report(kind, f"offset of token {fault}: {int(ours[1][fault])}, HF's character {int(starts[fault])}", text[:500], False)

    def check_decoding(self, docs):
        """Of WordPiece: what HF's decoder makes of the ids, special tokens included."""
        for kind, text in docs:
            ids = self.load_hf().encode(text, add_special_tokens=False).ids
            if self.weir.decoded(text) != self.hf.decode(ids, skip_special_tokens=False):
                self.report(kind, "decoding", text[:500], False)

    def run(self, docs, corpus_hash):
        texts = [text for _, text in docs]
        part = sample(docs, OFFSETS_MIB * corpus.MEBIBYTE)
        part_texts = [text for _, text in part]
        whole, hf_seconds = self.hf_answers(texts, corpus_hash, False, False)
        placed, more = self.hf_answers(part_texts, corpus_hash, False, True)
        special, most = self.hf_answers(part_texts, corpus_hash, True, False)
        begin = time.monotonic()
        found = self.check_ids(docs, whole, False)
        self.check_offsets(part, placed, found[:len(part)])
        self.check_ids(part, special, True)
        if self.word_piece:
            self.check_decoding(docs[::max(1, len(docs) // DECODED)])
        size = sum(len(text.encode()) for text in texts) / 1e6
        print(f"{self.name:34} {len(docs):6} documents {size:6.1f} MB {len(whole['ids']):9} tokens {self.faults:6} differ"
              f"   HF {hf_seconds + more + most:5.1f} s, Weir {time.monotonic() - begin:5.1f} s", flush=True)
        return self.faults + (self.weir.close() != 0)


def word_piece_rows(path, own, docs, part):
    few = sample(docs, FEW_MIB * corpus.MEBIBYTE)
    fingerprints = [corpus.fingerprint(own + texts) for texts in (part, few)]
    return [(name, path, document, own + (few if takes_few else part), fingerprints[takes_few], True)
            for name, document, takes_few in wordpiece.variants(path)]


def compare_row(arguments, name, path, document, texts, texts_hash, word_piece):
    """Faults of one tokenizer; of `document`, where there is one, in place of the file."""
    try:
        if document is None:
            return Comparison(arguments, path, word_piece).run(texts, texts_hash)
        with tempfile.TemporaryDirectory() as scratch:
            variant = pathlib.Path(scratch) / name / "tokenizer.json"
            variant.parent.mkdir()
            variant.write_text(json.dumps(document), encoding="utf-8")
            return Comparison(arguments, variant, word_piece).run(texts, texts_hash)
    except RuntimeError as error:
        print(f"{name:34} FAILED: {error}", flush=True)
        return 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--cache", required=True, type=pathlib.Path)
    parser.add_argument("--family", action="append")
    parser.add_argument("--sample-mib", type=float, default=4)
    parser.add_argument("--report")
    arguments = parser.parse_args()
    paths = sorted(arguments.cache.glob("tokenizers/*/tokenizer.json"))
    models = sorted(arguments.cache.glob("models/*/tokenizer.json"))
    if not paths:
        print(f"SKIPPED: no tokenizers under {arguments.cache}; scripts/setup fetches them")
        return SKIP
    docs, corpus_hash = load_corpus(arguments.cache, paths)
    part = sample(docs, arguments.sample_mib * corpus.MEBIBYTE)
    rows = [(path.parent.name, path, None, docs if path.parent.name == FULL_FAMILY else part, corpus_hash, False) for path in paths]
    own = wordpiece.documents() if models else []
    for path in models:
        if wordpiece.is_word_piece(json.loads(path.read_text(encoding="utf-8"))):
            rows += word_piece_rows(path, own, docs, part)
    faults = 0
    for row in rows:
        if not arguments.family or any(row[0].startswith(family) for family in arguments.family):
            faults += compare_row(arguments, *row)
    print("all equal" if faults == 0 else f"{faults} differences")
    return 1 if faults else 0


def enter_venv():
    """Runs this script again by the virtual environment's interpreter, which has HF's library."""
    cache = pathlib.Path(sys.argv[sys.argv.index("--cache") + 1]) if "--cache" in sys.argv[:-1] else None
    python = cache / "venv/bin/python" if cache else None
    if python is None or not python.exists() or pathlib.Path(sys.prefix) == python.parent.parent:
        print("SKIPPED: Hugging Face tokenizers is not installed; scripts/setup makes its virtual environment in the cache")
        sys.exit(SKIP)
    os.execv(python, [str(python), *sys.argv])


if __name__ == "__main__":
    try:
        import numpy as np
        import tokenizers
    except ImportError:
        enter_venv()
    sys.exit(main())
