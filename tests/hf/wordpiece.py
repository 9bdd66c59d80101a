"""What the comparison of WordPiece tokenizers needs beyond the corpus: variants of a tokenizer.json, and texts.

Variants: the file itself; it without lower case (a multilingual cased BERT's rules) and with added tokens of all flags; and,
for every set of rules, a vocabulary of single characters, whose ids tell exactly what normalising left.
"""
import copy
import json
import random

TABLED = 0x32400  # code points above are private, tags, variation selectors or unassigned
SPELLED = 0x20000  # code points below are in the vocabulary of single characters
RULES = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
ADDED = [("New York", "normalized"), ("\u00c9cole", "normalized single_word"), ("<left>", "lstrip"), ("<right>", "rstrip normalized"),
         ("<both>", "lstrip rstrip"), ("word", "single_word"), ("\u4e2d", "normalized")]
# Marks that no step strips, some that all strip, characters that hold both, and what cleaning drops between them.
MARKS = [0x302E, 0x302F, 0x1D165, 0x1D166, 0x1D16D, 0x1D172, 0x1E000, 0x1E02A, 0x1E944, 0x11442, 0x8D4, 0x8E1, 0x300, 0x301, 0x316,
         0x323, 0x345, 0x344, 0x5B0, 0x3099, 0x34F, 0x1D15E, 0x1D1BF, 0xE9, 0x1EAD, 0xAC01, 0x1100, 0x41, 0x62, 0x20, 0x2E, 0x200D, 0xAD, 0x1,
         0x4E2D, 0x2F00, 0xF900, 0x130, 0x49, 0x3A3, 0x212A, 0x37E, 0x2260, 0x1FEF, 0x2000]


def is_word_piece(document):
    return document["model"].get("type") == "WordPiece"


def scalars(limit):
    return (c for c in range(limit) if not 0xD800 <= c < 0xE000)


def with_rules(document, flags):
    document["normalizer"] = {"type": "BertNormalizer", **dict(zip(RULES, flags))}
    return document


def character_vocabulary(document):
    """Every character of two planes as a word and as a piece that goes on, so that only odd words are unknown."""
    tokens = ["[UNK]", *(token["content"] for token in document["added_tokens"])]
    tokens += [chr(c) for c in scalars(SPELLED)]
    tokens += ["##" + chr(c) for c in scalars(SPELLED)]
    document["model"]["vocab"] = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return document


def variants(path):
    """(name, document or None for the file itself, whether the texts are to be few), one after the other."""
    name, original = path.parent.name, json.loads(path.read_text(encoding="utf-8"))
    yield name, None, False
    yield f"{name}-cased", with_rules(copy.deepcopy(original), (True, True, None, False)), False
    marked = copy.deepcopy(original)
    marked["added_tokens"] += [
        {"id": 0, "content": content, "special": False,
         **{flag: flag in flags.split() for flag in ("single_word", "lstrip", "rstrip", "normalized")}} for content, flags in ADDED]
    yield f"{name}-added", marked, True
    characters = character_vocabulary(copy.deepcopy(original))
    for number in range(16):
        flags = [bool(number >> bit & 1) for bit in range(4)]
        initials = "".join("cisl"[bit] if flags[bit] else "-" for bit in range(4))
        yield f"{name}-characters-{initials}", with_rules(copy.copy(characters), flags), True


def documents():
    """[(class, text)]: every code point between letters; marks in any order; words of about the greatest length."""
    found = []
    every = [f"a{chr(c)}B{chr(c)} " for c in scalars(TABLED)]
    every += [f"a{chr(c)}b" for c in scalars(0x110000) if c >= TABLED and (c % 97 == 0 or 0xE0000 <= c < 0xE0200)]
    every += [f"a{chr(c)}b" for plane in range(4, 17) for c in (plane * 0x10000 + 0xFFFD, plane * 0x10000 + 0xFFFF)]
    for at in range(0, len(every), 2000):
        found.append(("planes", "".join(every[at:at + 2000])))
    rng = random.Random(31)
    for _ in range(3000):
        found.append(("marks", "".join(chr(rng.choice(MARKS)) for _ in range(rng.randrange(1, 24)))))
    for size in range(95, 106):
        for letter in ("a", "A", "\u00e9", "\u00c9", "\ud55c", "\u0130", "e\u0301", "\U0001F600"):
            found.append(("length", f"x {letter * size} {letter * (size // 2)}"))
    pieces = [content for content, _ in ADDED] + ["new york", "NEW  YORK", "\u00e9cole", "ecole", "sword", " ", "  ", "x", ".", "\u4e2d\u4e2d", "<", "\n"]
    for _ in range(500):
        found.append(("added", "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 12)))))
    return found
