#!/usr/bin/env python3
"""Computes the reference vectors that the model's tests compare with: a BERT encoder written down once more, in numpy and
float64, over the published weights, with Hugging Face's own tokenizer. Independent of everything under src/.

usage: reference_vectors.py FOLDER > src/model/testing/minilm_reference.jsonl
FOLDER holds model.safetensors, tokenizer.json and config.json. Needs numpy, safetensors and tokenizers.

A line is {"text", "ids", "vector"}; the vector is base64 of little-endian 16-bit integers, each a component times 32768.
"""
import base64
import json
import math
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

TOKENS_MAX = 256
TEXTS = [
    "The cat sits outside.",
    "A man is playing guitar.",
    "The new movie is awesome.",
    "Where is the error handled when the cache refuses an entry?",
    "Refused insertions return a typed error, and nothing is half done.",
    "int main(int argc, char** argv) { return argc > 1 ? run(argv[1]) : usage(); }",
    "def fibonacci(n):\n    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)",
    "SELECT name, COUNT(*) FROM agents GROUP BY name HAVING COUNT(*) > 3;",
    "{\"role\": \"user\", \"content\": \"What is the weather like in Paris today?\"}",
    "Grüße aus Köln: naïve café, façade, Øresund, Łódź.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "🙂 emoji 👩‍👩‍👧 and flags 🇩🇪 inside a sentence",
    "a",
    ".",
    "[SEP] is written out here, and so is [MASK].",
    "x" * 150 + " is one long word",
    "   leading and   inner    spaces\t\ttabs\n\nlines   ",
    "UPPER CASE SHOUTING AND lower case whispering",
    "3.14159 2.71828 1,000,000 0xDEADBEEF 10^-9 50%",
    "https://example.org/path?query=1&other=two#fragment",
    "e\u0301 and \u00e9 are one letter; \u212b and \u00c5 as well.",
    "The retriever finds passages, the reranker orders them, the summarizer shortens them, and the critic complains. " * 3,
    "Memory pressure rises, so the broker asks each pool what it would give back and at what cost. " * 6,
    "Paging moves what is cold out of the way of what is warm. " * 12,
    "How to keep one prefix exact over many prompts: put what changes last. " * 16,
    "This text is longer than the model takes and is cut where its authors cut it. " * 40,
]


erf = np.vectorize(math.erf, otypes=[np.float64])


def layer_norm(x, weight, bias, epsilon):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * weight + bias


class Bert:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {name: value.astype(np.float64) for name, value in load_file(folder / "model.safetensors").items()}

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        return layer_norm(x, self.weights[name + ".weight"], self.weights[name + ".bias"], self.config["layer_norm_eps"])

    def embed(self, ids):
        w, heads = self.weights, self.config["num_attention_heads"]
        x = (w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:len(ids)]
             + w["embeddings.token_type_embeddings.weight"][0])
        x = self.norm(x, "embeddings.LayerNorm")
        split = lambda y: y.reshape(len(ids), heads, -1).transpose(1, 0, 2)
        for layer in range(self.config["num_hidden_layers"]):
            at = f"encoder.layer.{layer}."
            q, k, v = (split(self.linear(x, at + "attention.self." + part)) for part in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            seen = (scores / scores.sum(-1, keepdims=True)) @ v
            seen = seen.transpose(1, 0, 2).reshape(len(ids), -1)
            x = self.norm(self.linear(seen, at + "attention.output.dense") + x, at + "attention.output.LayerNorm")
            inner = self.linear(x, at + "intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
            x = self.norm(self.linear(inner, at + "output.dense") + x, at + "output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def main():
    folder = pathlib.Path(sys.argv[1])
    bert = Bert(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        vector = np.rint(bert.embed(ids) * 32768).astype("<i2")
        print(json.dumps({"text": text, "ids": ids, "vector": base64.b64encode(vector.tobytes()).decode()},
                         ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
