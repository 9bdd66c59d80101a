"""What the end-to-end tests share: running the command, and a tokenizer small enough to make on the spot."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BINARY = os.environ["WEIR_TEST_BINARY"]
SOURCE = pathlib.Path(os.environ["WEIR_TEST_SOURCE"])
FETCHED = pathlib.Path(os.environ["WEIR_TEST_CACHE"]) / "tokenizers"
SANITIZED = bool(os.environ.get("WEIR_TEST_SANITIZE"))

CHAT_TEMPLATE = (
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n"
    "{%- if loop.first and tools %}{{ message.content }}\n# Tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    "{%- else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def byte_characters():
    """The printable character that stands for each byte in a byte-level vocabulary."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return {byte: chr(byte if byte in kept else 256 + sum(b not in kept for b in range(byte))) for byte in range(256)}


def small_tokenizer():
    """A byte-level BPE tokenizer with a handful of merges, as a tokenizer.json."""
    characters = byte_characters()
    vocabulary = {characters[byte]: byte for byte in range(256)}
    merges = []
    space = characters[32]
    for left, right in [("t", "h"), ("th", "e"), (space, "the"), ("i", "n"), ("a", "n"), ("an", "d"), (space, "and"),
                        (space, space)]:
        merges.append(f"{left} {right}")
        vocabulary.setdefault(left + right, len(vocabulary))
    special = len(vocabulary)
    added = [{"id": special + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, content in enumerate(["<|im_start|>", "<|im_end|>"])]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocabulary, "merges": merges}}


class CommandTest(unittest.TestCase):
    """A folder of its own, a made tokenizer named "small", and no configuration from outside."""

    def setUp(self):
        self.folder_guard = tempfile.TemporaryDirectory(prefix="weir-cli-")
        self.folder = pathlib.Path(self.folder_guard.name)
        tokenizer = self.folder / "cache/tokenizers/small"
        tokenizer.mkdir(parents=True)
        (tokenizer / "tokenizer.json").write_text(json.dumps(small_tokenizer()))
        (tokenizer / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "LANG": "C.UTF-8",
                            "WEIR_CACHE_DIR": str(self.folder / "cache")}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def tearDown(self):
        self.folder_guard.cleanup()

    def weir(self, *arguments, stdin=b"", environment=None, **extra):
        """Runs the command in the test's folder; text out and err, exit code code."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        binary = extra.pop("binary", BINARY)
        done = subprocess.run([binary, *map(str, arguments)], input=stdin, capture_output=True, cwd=self.folder,
                              env={**self.environment, **(environment or {})}, timeout=600, check=False, **extra)
        done.out, done.err, done.code = done.stdout.decode(), done.stderr.decode(), done.returncode
        self.assertNotIn("check failed", done.err)
        self.assertNotIn("Sanitizer", done.err)
        self.assertGreaterEqual(done.code, 0, f"killed by a signal: {done.err}")
        return done

    def without_privileges(self):
        """What weir() needs to run as somebody whom file permissions bind: the superuser reads everything."""
        if os.geteuid() != 0:
            return {}
        self.folder.chmod(0o755)
        binary = self.folder / "weir"  # where the build lies, others may have no access
        shutil.copy(BINARY, binary)
        return {"user": 65534, "group": 65534, "extra_groups": [], "binary": str(binary)}

    def good(self, *arguments, **extra):
        done = self.weir(*arguments, **extra)
        self.assertEqual(done.code, 0, done.err)
        return done

    def json(self, *arguments, **extra):
        return json.loads(self.good(*arguments, "--json", **extra).out)

    def fails(self, code, *arguments, says=(), **extra):
        """The command fails with this code, says these things on standard error, and nothing on standard output."""
        done = self.weir(*arguments, **extra)
        self.assertEqual(done.code, code, done.out + done.err)
        self.assertEqual(done.out, "")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, done.err)
        return done

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def files(self):
        """Every file below the test's folder outside the cache."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*")
                      if path.is_file() and "cache" not in path.relative_to(self.folder).parts)


def request(agent, system, user, tools=None):
    body = {"model": "m", "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "metadata": {"agent": agent}}
    if tools:
        body["tools"] = tools
    return body


def tool(name, description="does it"):
    return {"type": "function", "function": {"name": name, "description": description,
                                             "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}


SHARED_TEXT = "You are one of several agents. " + " ".join(
    f"Rule {n}: keep the {word} and the {word} apart." for n, word in
    enumerate("ash beech cedar elm fir hazel ivy juniper larch maple oak pine rowan spruce willow yew".split()))
