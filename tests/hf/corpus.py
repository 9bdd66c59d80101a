"""Text to compare tokenizers on: real files of a set-up Debian machine and seeded generators, the same on every run.

Classes and where they come from:
  prose    POD of the Perl library, docstrings of the Python library, Markdown of llama.cpp, licences; German manual pages
  code     C++ and C headers, the Python library, the Perl library, sources of llama.cpp
  cjk      Chinese and Japanese manual pages, East Asian message catalogues
  world    Russian, Ukrainian and Greek manual pages, message catalogues in about 150 languages, some of it decomposed (NFD)
  json     chat requests of agents with tools, tool results and quoted text, escaped as JSON or as Python writes it
  emoji    emoji with modifiers and joiners, between words
  random   random Unicode scalar values, assigned or not, and runs of combining marks
  nasty    added tokens glued to text, runs of blanks, digits, apostrophes, control characters, long words, odd newlines
Every document is valid UTF-8 and 1 byte to about 80 KB long (a few are longer: one word of 200 KB).
"""
import ast
import hashlib
import json
import pathlib
import random
import re
import sysconfig
import unicodedata

VERSION = 1
MEBIBYTE = 1 << 20

# Of 22 MiB in all.
SHARES = {"prose": 5, "code": 4.5, "cjk": 4, "world": 2, "json": 3, "emoji": 1, "random": 1.25, "nasty": 1.25}


def read_text(path):
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def files(root, *patterns):
    found = {path for pattern in patterns for path in pathlib.Path(root).glob(pattern)}
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def pod_of(text):
    return "\n".join(re.findall(r"^=head.*?^=cut", text, re.M | re.S)) if "\n=head" in text else ""


def docstrings_of(text):
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return "\n\n".join(filter(None, (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))))


def take(texts, budget):
    """Joins texts until there are `budget` bytes."""
    parts, size = [], 0
    for text in texts:
        if text:
            parts.append(text)
            size += len(text.encode())
        if size >= budget:
            break
    return "\n".join(parts)


class Sources:
    """Real text of the machine, one string a class."""

    def __init__(self, cache):
        self.corpus = cache / "corpus"
        self.llama = cache / "src/llama.cpp"
        self.perl = files("/usr/share/perl", "**/*.pm", "**/*.pod")
        self.python = files(sysconfig.get_path("stdlib"), "**/*.py")

    def shuffled(self, paths, seed):
        paths = list(paths)
        random.Random(seed).shuffle(paths)
        return paths

    def manuals(self, *languages):
        for language in languages:
            yield from (read_text(path) for path in files(self.corpus, f"manpages-{language}/*.txt"))

    def catalogues(self, wanted):
        for path in files(self.corpus, "iso-codes/*.txt"):
            if wanted(path.stem):
                yield read_text(path)

    def prose(self, budget):
        def texts():
            yield from (read_text(path) for path in files("/usr/share/common-licenses", "*"))
            yield from (read_text(path) for path in self.shuffled(files(self.llama, "**/*.md"), 1))
            pod = (pod_of(read_text(path)) for path in self.shuffled(self.perl, 2))
            doc = (docstrings_of(read_text(path)) for path in self.shuffled(self.python, 3))
            for pair in zip(pod, doc):
                yield from pair
            yield from doc
        return take(texts(), budget * 4 // 5) + take(self.manuals("de"), budget // 5)[:budget // 5]

    def code(self, budget):
        groups = [files("/usr/include", "c++/*/**/*", "*.h"), self.python, self.perl,
                  files(self.llama, "**/*.cpp", "**/*.h", "**/*.cu", "**/*.py", "**/*.ts", "**/*.sh")]
        return "".join(take((read_text(path) for path in self.shuffled(group, 4)), budget // 4)[:budget // 4]
                       for group in groups)

    def cjk(self, budget):
        east = take(self.catalogues(lambda name: name.split("_")[0] in ("zh", "ja", "ko")), budget)
        halves = [take(self.manuals(language), 8 * budget) for language in ("ja", "zh")]
        return east + "".join(wide(half, budget // 2) for half in halves)

    def world(self, budget):
        far = list(self.catalogues(lambda name: name.split("_")[0] not in ("zh", "ja", "ko", "en")))
        part = budget // 6
        texts = [head(take(self.manuals(language), part), part) for language in ("ru", "uk", "el")]
        words = head("".join(head(text, 2 * part // max(1, len(far)) + 400) for text in far), 2 * part)
        texts.append(words)
        texts.append(head(unicodedata.normalize("NFD", words), part))
        return "".join(texts)


def head(text, budget):
    return text.encode()[:budget].decode(errors="ignore")


def wide(text, budget):
    """The lines that are mostly not ASCII, from all over the text."""
    lines = [line for line in text.splitlines(keepends=True) if len(line) > 4 and sum(c > "\u2000" for c in line) * 3 > len(line)]
    step = max(1, sum(len(line.encode()) for line in lines) // max(1, budget))
    return head("".join(line for start in range(0, len(lines), 40 * step) for line in lines[start:start + 40]), budget)


EMOJI = [chr(c) for first, last in ((0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1FAFF), (0x2600, 0x27BF))
         for c in range(first, last + 1)]
WORDS = ("the agent context cache prefix token reads writes shared block of and to a 'tis don't we'll I'M HTTPServer "
         "snake_case camelCase x1 v2.0 caf\u00e9 na\u00efve \u00fcber \u00c5ngstr\u00f6m \u0130stanbul stra\u00dfe \u0441\u043b\u043e\u0432\u043e "
         "\u03bb\u03cc\u03b3\u03bf\u03c2 \u65e5\u672c\u8a9e \u4e2d\u6587\u5b57 \ud55c\uad6d\uc5b4 \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22 "
         "\u05e2\u05d1\u05e8\u05d9\u05ea \u0627\u0644\u0639\u0631\u0628\u064a\u0629 1 42 1000 3.14159 0x1F 2026-11-24").split()


def emoji_text(rng, budget):
    parts, size = [], 0
    while size < budget:
        kind = rng.random()
        face = rng.choice(EMOJI)
        if kind < 0.15:
            face += chr(0x1F3FB + rng.randrange(5))
        elif kind < 0.3:
            face += "\ufe0f"
        elif kind < 0.45:
            face += "\u200d" + rng.choice(EMOJI) + "\u200d" + rng.choice(EMOJI)
        elif kind < 0.5:
            face = chr(0x1F1E6 + rng.randrange(26)) + chr(0x1F1E6 + rng.randrange(26))
        elif kind < 0.55:
            face = rng.choice("0123456789#*") + "\ufe0f\u20e3"
        part = face * rng.choice((1, 1, 1, 2, 5)) + rng.choice(("", " ", "  ", "\n", " " + rng.choice(WORDS) + " "))
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def random_text(rng, budget):
    marks = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.combining(chr(c))]
    parts, size = [], 0
    while size < budget:
        kind = rng.randrange(6)
        if kind == 0:
            run = [chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)))) for _ in range(rng.randrange(1, 30))]
        elif kind == 1:  # neighbours, so that words and classes form
            first = rng.choice((rng.randrange(0xD000), rng.randrange(0xE000, 0x20000)))
            run = [chr(c) for c in (first + rng.randrange(200) for _ in range(rng.randrange(1, 60))) if not 0xD800 <= c < 0xE000]
        elif kind == 2:
            run = [rng.choice(WORDS)[:1] + "".join(rng.choice(marks) for _ in range(rng.randrange(1, 9)))]
        elif kind == 3:  # Hangul jamo, compatibility forms, ligatures: what normalisation changes
            run = [chr(rng.choice((rng.randrange(0x1100, 0x1200), rng.randrange(0xF900, 0xFB00), rng.randrange(0x2F800, 0x2FA20),
                                   rng.randrange(0xC0, 0x250), rng.randrange(0x340, 0x345)))) for _ in range(rng.randrange(1, 20))]
        elif kind == 4:
            run = [chr(rng.randrange(128)) for _ in range(rng.randrange(1, 40))]
        else:
            run = [rng.choice(WORDS)]
        part = "".join(run) + rng.choice(("", " ", "\n"))
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


BLANKS = [" ", "  ", "   ", " " * 17, "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\u00a0", "\u2003", "\u3000", "\u200b", "\x0b", "\x0c",
          "\u0085", "\u2028", "\ufeff", "\t\t ", " \u00a0 ", "\n\n\n\n", " \r\n \r\n"]
TAILS = ["'s", "'S", "'ll", "'LL", "'t", "\u2019s", "'\u017f", "''", "'re'", "'dx", "'v", "s'", "//", "/\n", "()", "{}\n", "...", "\u2026", "--", "__",
         "!?", "\u00bf", "#include", "\x00", "\x7f", "\u0301", "\u200d", "\u20ac", "\u2126", "\u1e9b\u0323", "\ufb01", "\uff21\uff22", "\u0660\u0661", "\u00b2", "\u2160", "\u01c5"]


def nasty_text(rng, budget, added_tokens):
    parts, size = [], 0
    while size < budget:
        kind = rng.randrange(9)
        if kind == 0 and added_tokens:
            part = rng.choice(added_tokens)
        elif kind == 1 and added_tokens:  # nearly one, or two that overlap
            token = rng.choice(added_tokens)
            cut = rng.randrange(len(token) + 1)
            part = rng.choice((token[:cut], token[cut:], token[:cut] + token, token.upper(), token + token[cut:]))
        elif kind == 2:
            part = "".join(rng.choice(BLANKS) for _ in range(rng.choice((1, 1, 2, 4))))
        elif kind == 3:
            part = "".join(rng.choice("0123456789") for _ in range(rng.choice((1, 2, 3, 4, 7, 30))))
        elif kind == 4:
            part = rng.choice(WORDS) + rng.choice(TAILS)
        elif kind == 5:
            part = rng.choice(("a", "ab", "=", "-", "\u00e9", "\u4e00", "aA", "#", "\U0001F600", "0", "!", " ")) * rng.choice((2, 3, 8, 63, 64, 65, 300))
        elif kind == 6:
            part = "".join(rng.choice(TAILS) for _ in range(rng.randrange(1, 5)))
        elif kind == 7:
            part = rng.choice(WORDS).upper() + rng.choice(WORDS) + rng.choice(WORDS).title()
        else:
            part = " " + rng.choice(WORDS)
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def agent_request(rng, prose, code):
    """One chat request the way agent frameworks write them to their logs."""
    def piece(text, most):
        begin = rng.randrange(max(1, len(text) - most))
        return text[begin:begin + rng.randrange(40, most)]
    tools = [{"type": "function", "function": {
        "name": f"{rng.choice(('read', 'search', 'write', 'run'))}_{rng.choice(('file', 'web', 'code', 'index'))}",
        "description": piece(prose, 300),
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}, "limit": {"type": "integer", "default": rng.randrange(1000)}},
                       "required": ["path"]}}} for _ in range(rng.randrange(1, 5))]
    messages = [{"role": "system", "content": piece(prose, 3000)}]
    for _ in range(rng.randrange(1, 7)):
        call = f"call_{rng.getrandbits(96):024x}"
        messages.append({"role": "user", "content": piece(prose, 900)})
        messages.append({"role": "assistant", "content": None, "tool_calls": [{"id": call, "type": "function", "function": {
            "name": tools[0]["function"]["name"], "arguments": json.dumps({"path": f"src/{rng.getrandbits(40):x}.cc", "limit": rng.randrange(10**6)})}}]})
        messages.append({"role": "tool", "tool_call_id": call, "content": piece(code, 4000)})
    return {"model": "m", "temperature": round(rng.random(), 3), "metadata": {"agent": f"agent-{rng.randrange(9)}", "trace": f"{rng.getrandbits(128):032x}"},
            "tools": tools, "messages": messages}


def json_text(rng, budget, prose, code):
    parts, size = [], 0
    while size < budget:
        request = agent_request(rng, prose, code)
        style = rng.randrange(3)
        part = (json.dumps(request, ensure_ascii=style == 0, indent=2 if style == 2 else None, separators=(",", ":") if style == 1 else None)) + "\n"
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def added_tokens(tokenizers):
    found = set()
    for path in tokenizers:
        found.update(token["content"] for token in json.loads(path.read_text(encoding="utf-8")).get("added_tokens", []))
    return sorted(found)


def class_texts(cache, budgets, tokenizers=()):
    """{class: text} of about the asked number of bytes each."""
    sources = Sources(cache)
    texts = {name: getattr(sources, name)(int(budgets.get(name, 0) or MEBIBYTE)) for name in ("prose", "code", "cjk", "world")}
    texts["json"] = json_text(random.Random(11), budgets.get("json", 0), texts["prose"], texts["code"])
    texts["emoji"] = emoji_text(random.Random(12), budgets.get("emoji", 0))
    texts["random"] = random_text(random.Random(13), budgets.get("random", 0))
    texts["nasty"] = nasty_text(random.Random(14), budgets.get("nasty", 0), added_tokens(tokenizers))
    return {name: texts[name] for name in budgets}


def cut(text, rng, least, most):
    """Pieces of `least` to `most` characters, short ones as likely as long ones by ratio."""
    begin = 0
    while begin < len(text):
        size = int(least * (most / least) ** rng.random())
        yield text[begin:begin + size]
        begin += size


def documents(cache, tokenizers):
    """[(class, text)], shuffled so that every beginning of the list holds all classes in proportion."""
    texts = class_texts(cache, {name: int(share * MEBIBYTE) for name, share in SHARES.items()}, tokenizers)
    rng = random.Random(15)
    found = [(name, piece) for name, text in texts.items() for piece in cut(text, rng, 100, 80_000)]
    rng.shuffle(found)
    short = [("nasty", text) for text in WORDS + BLANKS + TAILS + added_tokens(tokenizers)]
    long_words = [("nasty", "a" * 200_000), ("nasty", "ab\u00e9" * 40_000), ("nasty", " " * 100_000), ("nasty", "\u4e00\u4e8c" * 20_000)]
    return short + found[:40] + long_words + found[40:]


def fingerprint(docs):
    digest = hashlib.sha256(str(VERSION).encode())
    for name, text in docs:
        raw = text.encode()
        digest.update(f"{name} {len(raw)} ".encode())
        digest.update(raw)
    return digest.hexdigest()
