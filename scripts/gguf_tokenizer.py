"""Makes a Hugging Face tokenizer.json from the byte-level BPE vocabulary of a GGUF file.

Usage: gguf_tokenizer.py VOCABULARY.gguf PRE_TOKENIZER OUTPUT_FOLDER

The vocabulary, merges and special tokens are the file's own. GGUF names the pre-tokenizer but
does not describe it, so the caller says which of PRE_TOKENIZERS belongs to the model. Writes
tokenizer.json and tokenizer_config.json (with the chat template, where the file has one).
"""

import json
import pathlib
import struct
import sys

# GGUF value types: scalars by struct code, then the two with a length.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
CONTROL, USER_DEFINED = 3, 4

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
SINGLE_DIGITS = {"type": "Sequence", "pretokenizers": [DIGITS, BYTE_LEVEL]}

# Name -> (normalizer, pre_tokenizer).
PRE_TOKENIZERS = {
    "gpt2": (None, BYTE_LEVEL),
    "digits": (None, SINGLE_DIGITS),
    "nfc-digits": ({"type": "NFC"}, SINGLE_DIGITS),
}


class Reader:
    """Reads a GGUF file's metadata; tensors are not looked at."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, code):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        size = self.scalar("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item, count = self.scalar("I"), self.scalar("Q")
            return [self.value(item) for _ in range(count)]
        return self.scalar(SCALARS[kind])

    def metadata(self):
        if self.data[:4] != b"GGUF":
            sys.exit("not a GGUF file")
        self.at = 8
        _tensors, count = self.scalar("Q"), self.scalar("Q")
        pairs = {}
        for _ in range(count):
            key = self.string()
            pairs[key] = self.value(self.scalar("I"))
        return pairs


def tokenizer(meta, pre_tokenizer):
    tokens = meta["tokenizer.ggml.tokens"]
    kinds = meta["tokenizer.ggml.token_type"]
    added = [
        {
            "id": index,
            "content": tokens[index],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kind == CONTROL,
        }
        for index, kind in enumerate(kinds)
        if kind in (CONTROL, USER_DEFINED)
    ]
    normalizer, pre = PRE_TOKENIZERS[pre_tokenizer]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre,
        "post_processor": None,
        "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in meta["tokenizer.ggml.merges"]],
        },
    }


def config(meta):
    tokens = meta["tokenizer.ggml.tokens"]
    named = {
        f"{name}_token": tokens[meta[f"tokenizer.ggml.{name}_token_id"]]
        for name in ("bos", "eos")
        if f"tokenizer.ggml.{name}_token_id" in meta
    }
    template = meta.get("tokenizer.chat_template")
    return named | ({"chat_template": template} if template else {})


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def main():
    source, pre_tokenizer, folder = sys.argv[1:]
    meta = Reader(pathlib.Path(source).read_bytes()).metadata()
    folder = pathlib.Path(folder)
    write_json(folder / "tokenizer.json", tokenizer(meta, pre_tokenizer))
    write_json(folder / "tokenizer_config.json", config(meta))


main()
