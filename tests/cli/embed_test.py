"""weir embed and weir models: the model that set-up fetches, bad input, and a data folder between processes."""
import base64
import fcntl
import json
import math
import os
import pathlib
import random
import shutil
import struct
import unittest

from support import BINARY, CommandTest, FETCHED, SANITIZED, SOURCE

NAME = "all-minilm-l6-v2"
MODELS = FETCHED.parent / "models"
IS_THERE = (MODELS / NAME / "model.safetensors").exists()
NEEDS_MODEL = f"{NAME} is not in the cache: scripts/fetch-assets model brings it"


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def numbers(text):
    """The reference's vector: 16-bit whole numbers, little-endian, to some scale."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4))
    return struct.unpack(f"<{len(raw) // 2}h", raw)


class EmbedTest(CommandTest):
    def setUp(self):
        super().setUp()
        if IS_THERE:
            (self.folder / "cache/models").symlink_to(MODELS)

    def embed(self, *arguments, **extra):
        return self.json("embed", *arguments, **extra)

    def partly(self, code, *arguments, **extra):
        """The command does what it can and ends with this code."""
        done = self.weir("embed", *arguments, "--json", **extra)
        self.assertEqual(done.code, code, done.out[:500] + done.err)
        return json.loads(done.out)

    def own_model(self):
        """A copy of the model's parts that a test may damage."""
        (self.folder / "cache/models").unlink()
        folder = self.folder / "cache/models" / NAME
        folder.mkdir(parents=True)
        self.good("models", "load", NAME, environment={"WEIR_CACHE_DIR": str(FETCHED.parent)})
        for name in ("tokenizer.json", "f32.gguf"):
            shutil.copy(MODELS / NAME / name, folder / name)
        return folder

    def codes(self, answer):
        return {error["index"]: error["error"]["code"] for error in answer["errors"]}


@unittest.skipUnless(IS_THERE, NEEDS_MODEL)
class Vectors(EmbedTest):
    def test_the_fixed_form(self):
        answer = self.embed("--model", NAME, "a cat sat", "a kitten was sitting", "a cat sat")
        self.assertEqual(list(answer)[:4], ["model", "dimensions", "embeddings", "cache"])
        self.assertEqual((answer["model"], answer["dimensions"]), (NAME, 384))
        self.assertEqual(answer["cache"], ["computed", "computed", "coalesced"])
        self.assertEqual(answer["embeddings"][0], answer["embeddings"][2])
        self.assertEqual((answer["errors"], answer["model_loads"], answer["data"]), ([], 1, None))
        for vector in answer["embeddings"]:
            self.assertEqual(len(vector), 384)
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=5)

    def test_vectors_are_those_of_the_reference(self):
        lines = (SOURCE / "src/model/testing/minilm_reference.jsonl").read_text().splitlines()
        wanted = [json.loads(line) for line in lines[:12]]
        self.write("texts.jsonl", "".join(json.dumps({"text": one["text"]}) + "\n" for one in wanted))
        answer = self.embed("--file", "texts.jsonl", "--jsonl")
        for one, vector in zip(wanted, answer["embeddings"]):
            self.assertGreaterEqual(cosine(numbers(one["vector"]), vector), 0.999)

    def test_spellings_are_one_model(self):
        self.embed("--model", "sentence-transformers/all-MiniLM-L6-v2", "a text", "--data", "kept")
        for name in ("minilm", "ALL_MINILM_L6_V2", NAME):
            answer = self.embed("--model", name, "a text", "--data", "kept")
            self.assertEqual((answer["model"], answer["cache"], answer["model_loads"]), (NAME, ["hit"], 0))

    def test_settings_name_the_model(self):
        answer = self.embed("a text", environment={"WEIR_EMBEDDING_MODEL": "minilm", "WEIR_EMBEDDING_WEIGHTS": "q8_0"})
        other = self.embed("a text")
        self.assertNotEqual(answer["fingerprint"], other["fingerprint"])
        self.assertGreater(cosine(answer["embeddings"][0], other["embeddings"][0]), 0.99)
        self.assertNotEqual(answer["embeddings"], other["embeddings"])

    def test_for_people(self):
        out = self.good("embed", "a cat", "a\x1b[31mb").out
        self.assertIn("2 texts of 384 dimensions", out)
        self.assertIn("2 computed", out)
        self.assertNotIn("\x1b", out)

    def test_a_gguf_file_by_path(self):
        self.good("models", "fetch", NAME, "--weights", "q8_0")
        file = MODELS / NAME / "q8_0.gguf"
        named = self.embed("a text", "--weights", "q8_0")
        by_path = self.embed("a text", "--model", file)
        self.assertEqual(named["embeddings"], by_path["embeddings"])
        self.assertEqual(named["fingerprint"], by_path["fingerprint"])
        os.symlink(file, self.folder / "alone.gguf")
        self.fails(64, "embed", "a text", "--model", "alone.gguf", says=["no tokenizer.json beside", "--tokenizer"])
        again = self.embed("a text", "--model", "alone.gguf", "--tokenizer", MODELS / NAME / "tokenizer.json")
        self.assertEqual(again["embeddings"], named["embeddings"])
        # Ids of another tokenizer are another text to the model: such vectors are kept apart.
        self.embed("a text", "--model", "alone.gguf", "--data", "kept", "--tokenizer", MODELS / NAME / "tokenizer.json")
        other = self.embed("a text", "--model", "alone.gguf", "--data", "kept", "--tokenizer", "small")
        self.assertEqual(other["cache"], ["computed"])
        self.fails(64, "embed", "a text", "--model", file, "--weights", "f16", says="by name")
        self.fails(64, "embed", "a text", "--tokenizer", "small", says="GGUF")


@unittest.skipUnless(IS_THERE, NEEDS_MODEL)
class Questions(EmbedTest):
    TEXTS = ["a cat", "a kitten", "a form for taxes", "a tax form"]

    def test_similarity(self):
        matrix = self.embed("--similarity", *self.TEXTS)["similarity"]
        for a in range(4):
            self.assertEqual(matrix[a][a], 1)
            self.assertEqual([matrix[b][a] for b in range(4)], matrix[a])
        self.assertGreater(matrix[0][1], matrix[0][2] + 0.3)
        self.assertIn("1.000", self.good("embed", "--similarity", *self.TEXTS).out)

    def test_similarity_leaves_out_what_failed(self):
        matrix = self.partly(3, "--similarity", "a cat", " ", "a kitten")["similarity"]
        self.assertEqual(matrix[1], [None] * 3)
        self.assertEqual((matrix[0][1], matrix[2][2]), (None, 1))
        self.assertGreater(matrix[0][2], 0.5)

    def test_nearest(self):
        self.write("texts.txt", "\n".join(self.TEXTS) + "\n\n")
        answer = self.embed("--nearest", "how much tax do I owe?", "--file", "texts.txt", "--k", "2")
        self.assertEqual({one["text"] for one in answer["results"]}, set(self.TEXTS[2:]))
        scores = [one["similarity"] for one in answer["results"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        for one in answer["results"]:
            self.assertEqual(self.TEXTS[one["index"]], one["text"])
        far = self.embed("--nearest", "how much tax do I owe?", "--file", "texts.txt", "--threshold", "0.99")
        self.assertEqual(far["results"], [])
        self.fails(65, "embed", "--nearest", "\t", *self.TEXTS, says="the query: an empty text")

    def test_clusters(self):
        answer = self.embed("--cluster", *self.TEXTS, "a brass band")
        self.assertEqual([cluster["items"] for cluster in answer["clusters"]], [[0, 1], [2, 3]])
        self.assertEqual((answer["alone"], answer["min_size"]), (1, 2))
        self.assertEqual(self.embed("--cluster", *self.TEXTS, "--min-size", "3")["clusters"], [])
        one = self.embed("--cluster", *self.TEXTS, "--threshold", "-1")["clusters"]
        self.assertEqual([cluster["items"] for cluster in one], [[0, 1, 2, 3]])
        self.assertIn("cluster 2: 2 texts", self.good("embed", "--cluster", *self.TEXTS).out)


@unittest.skipUnless(IS_THERE, NEEDS_MODEL)
class Kept(EmbedTest):
    def test_a_second_process_computes_nothing(self):
        first = self.embed("one", "two", "--data", "kept")
        self.assertEqual((first["sources"], first["model_loads"]), (["computed"] * 2, 1))
        second = self.embed("two", "one", "--data", "kept")
        self.assertEqual((second["cache"], second["sources"]), (["hit"] * 2, ["stored"] * 2))
        self.assertEqual(second["model_loads"], 0)
        self.assertEqual(second["embeddings"], first["embeddings"][::-1])
        third = self.embed("two", "three", environment={"WEIR_DATA": "kept"})
        self.assertEqual(third["cache"], ["hit", "computed"])

    def test_without_a_folder_nothing_is_kept(self):
        self.embed("one")
        self.assertEqual(self.files(), [])
        self.assertEqual(self.embed("one")["cache"], ["computed"])

    def test_what_was_asked_for_otherwise_is_kept_apart(self):
        self.embed("one", "--data", "kept")
        self.assertEqual(self.embed("one", "--data", "kept", "--truncate")["cache"], ["computed"])
        self.assertEqual(self.embed("one", "--data", "kept", "--weights", "f16")["cache"], ["computed"])
        # This model has no prefixes: what a text is for makes no difference to it.
        self.assertEqual(self.embed("one", "--data", "kept", "--input", "query")["cache"], ["hit"])

    def test_stats_and_clear(self):
        self.fails(66, "embed", "--cache", "stats", "--data", "kept", says="holds no vectors")
        self.fails(64, "embed", "--cache", "stats", says="--data")
        self.fails(64, "embed", "--cache", "clear", "text", "--data", "kept", says="no texts")
        self.embed("one", "two", "one", "--data", "kept")
        stats = self.embed("--cache", "stats", "--data", "kept")
        self.assertEqual((stats["vectors"], stats["set_aside"], stats["missing"]), (2, 0, 0))
        self.assertGreaterEqual(stats["bytes"], 2 * 384 * 4)
        self.assertEqual(self.embed("--cache", "clear", "--data", "kept"), {"data": "kept", "removed": 2})
        self.assertEqual(self.embed("--cache", "stats", "--data", "kept")["vectors"], 0)
        self.assertEqual(self.embed("one", "--data", "kept")["cache"], ["computed"])

    def test_beside_another_process(self):
        self.embed("one", "--data", "kept")
        with open(self.folder / "kept/embeddings/lock", "r+", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            answer = self.embed("one", "two", "--data", "kept")
            self.assertEqual((answer["cache"], answer["not_kept"]), (["hit", "computed"], 1))
            self.assertEqual(self.embed("--cache", "stats", "--data", "kept")["vectors"], 1)
            self.fails(73, "embed", "--cache", "clear", "--data", "kept", says="locked by another process")
        self.assertEqual(self.embed("two", "--data", "kept")["cache"], ["computed"])

    def test_a_registry_and_vectors_share_a_data_folder(self):
        self.embed("one", "--data", "both")
        self.write("prompts/a.txt", "A prompt.")
        self.good("contexts", "add", "prompts", "--data", "both", "--tokenizer", "small")
        self.assertEqual(self.embed("one", "--data", "both")["cache"], ["hit"])

    def test_a_folder_that_cannot_be_made(self):
        self.write("file", "")
        self.fails(73, "embed", "one", "--data", "file/kept", says="cannot make")


@unittest.skipUnless(IS_THERE, NEEDS_MODEL)
class BadInput(EmbedTest):
    def test_each_text_has_its_own_error(self):
        self.write("texts.txt", b"good\n\xff\xfe\nnul\x00inside\n\x00\n" + b"word " * 200_000 + b"\ngood too\n")
        answer = self.partly(3, "--file", "texts.txt")
        self.assertEqual(self.codes(answer), {1: "invalid_argument", 3: "invalid_argument", 4: "invalid_argument"})
        messages = [error["error"]["message"] for error in answer["errors"]]
        self.assertIn("not UTF-8 at byte 0", messages[0])
        self.assertIn("an empty text", messages[1])
        self.assertIn("200002 tokens", messages[2])
        self.assertEqual(answer["cache"], ["computed", None, "computed", None, None, "computed"])
        self.assertEqual([vector is None for vector in answer["embeddings"]], [False, True, False, True, True, False])

    def test_an_over_long_text_is_cut_when_asked(self):
        self.write("long.txt", "word " * 200_000)
        self.assertEqual(len(self.embed("--file", "long.txt", "--truncate")["embeddings"][0]), 384)

    def test_one_word_of_a_megabyte(self):
        self.write("word.txt", "a" * 1_000_000)
        self.assertEqual(self.embed("--file", "word.txt")["cache"], ["computed"])

    def test_lines_of_json(self):
        self.write("texts.jsonl", '{"text":"a\\u0000b"}\n{"text":""}\nno json\n{"text":5}\n["text"]\n{"text":"two\\nlines"}\n')
        answer = self.partly(3, "--file", "texts.jsonl", "--jsonl")
        self.assertEqual(sorted(self.codes(answer)), [1, 2, 3, 4])
        self.assertIn("line 3", answer["errors"][1]["error"]["message"])
        self.assertEqual(self.embed("--file", "-", "--jsonl", stdin='{"text":"x"}')["cache"], ["computed"])

    def test_nothing_good_at_all(self):
        self.assertEqual(self.codes(self.partly(65, "", " \t\n")), {0: "invalid_argument", 1: "invalid_argument"})
        self.fails(65, "embed", "--file", "-", stdin="\n\n", says="holds no text")
        self.fails(64, "embed", says="no text given")
        self.fails(64, "embed", "text", "--file", "-", says="not both")
        self.fails(66, "embed", "--file", "missing.txt", says="missing.txt")

    def test_many_texts_at_once(self):
        count = 300 if SANITIZED else 10_000
        self.write("many.txt", "".join(f"line {n % (count // 4)}\n" for n in range(count)))
        answer = self.embed("--file", "many.txt", "--data", "kept")
        self.assertEqual(len(answer["embeddings"]), count)
        self.assertEqual(answer["cache"].count("computed"), count // 4)
        again = self.embed("--file", "many.txt", "--data", "kept")
        self.assertEqual((set(again["cache"]) - {"coalesced"}, again["model_loads"]), ({"hit"}, 0))
        self.assertEqual(again["embeddings"], answer["embeddings"])

    def test_flags(self):
        self.fails(64, "embed", "x", "--dimensions", "100", says=["no vectors of 100 dimensions", "it has 384"])
        self.fails(64, "embed", "x", "--dimensions", "0", says="--dimensions")
        self.fails(64, "embed", "x", "--similarity", "--cluster", says="one at a time")
        self.fails(64, "embed", "x", "--k", "3", says="--nearest")
        self.fails(64, "embed", "x", "--threshold", "0.5", says="--nearest")
        for threshold in ("2", "x", "nan", "-1.5"):
            self.fails(64, "embed", "x", "--cluster", "--threshold", threshold, says="a number from -1 to 1")
        self.fails(64, "embed", "x", "--jsonl", says="--file")

    def test_a_model_that_fails_takes_only_its_texts_along(self):
        folder = self.own_model()
        self.embed("kept", "--data", "kept")
        (folder / "f32.gguf").unlink()
        answer = self.partly(3, "kept", "new", "--data", "kept")
        self.assertEqual((answer["cache"], self.codes(answer)), (["hit", None], {1: "not_found"}))

    def test_a_changed_weight_is_noticed(self):
        folder = self.own_model()
        with open(folder / "f32.gguf", "r+b") as file:
            file.seek(60_000_000)
            byte = file.read(1)[0]
            file.seek(60_000_000)
            file.write(bytes([byte ^ 0x40]))
        answer = self.partly(65, "a text")
        self.assertEqual(self.codes(answer), {0: "corrupt"})
        self.assertIn("SHA-256", answer["errors"][0]["error"]["message"])

    def test_files_that_are_no_model(self):
        shutil.copy(MODELS / NAME / "tokenizer.json", self.folder)
        self.good("models", "fetch", NAME, "--weights", "q8_0")
        whole = (MODELS / NAME / "q8_0.gguf").read_bytes()
        self.fails(66, "embed", "x", "--model", "missing.gguf", says="missing.gguf")
        self.write("text.gguf", "no model at all")
        self.fails(65, "embed", "x", "--model", "text.gguf", says="not a GGUF file")
        self.write("cut.gguf", whole[:1_000_000])
        self.fails(65, "embed", "x", "--model", "cut.gguf", says="cut short")
        self.fails(65, "models", "info", "cut.gguf", says="cut short")
        vocabulary = FETCHED.parent / "src/llama.cpp/models/ggml-vocab-gpt-2.gguf"
        if vocabulary.exists():
            self.fails(65, "embed", "x", "--model", vocabulary, "--tokenizer", "small", says="no weights")
        no_pooling = whole.replace(b"bert.pooling_type", b"bert.pooling_tipe", 1)
        self.assertNotEqual(no_pooling, whole)
        self.write("chat.gguf", no_pooling)
        self.fails(65, "embed", "x", "--model", "chat.gguf", says="not an embedding model")

    def test_changed_bytes_in_a_model_never_end_the_process(self):
        seed = int(os.environ.get("WEIR_TEST_SEED", "7"))
        dice = random.Random(seed)
        shutil.copy(MODELS / NAME / "tokenizer.json", self.folder)
        self.good("models", "fetch", NAME, "--weights", "q8_0")
        whole = (MODELS / NAME / "q8_0.gguf").read_bytes()
        for round_ in range(3 if SANITIZED else 12):
            place = dice.randrange(4, 2_000) if round_ % 2 else dice.randrange(700_000, len(whole))
            changed = bytearray(whole)
            changed[place] ^= 1 << dice.randrange(8)
            self.write("changed.gguf", bytes(changed))
            done = self.weir("embed", "x", "--model", "changed.gguf", "--json")
            self.assertIn(done.code, (0, 65, 66, 1), f"seed {seed}, byte {place}: {done.err}")


class Models(EmbedTest):
    def test_list_and_info(self):
        listed = self.json("models", "list")["models"]
        entry = next(model for model in listed if model["name"] == NAME)
        self.assertEqual((entry["licence"], entry["dimensions"], entry["pooling"]), ("Apache-2.0", 384, "mean"))
        self.assertEqual(self.json("models", "info", "minilm"), entry)
        self.assertEqual(self.json("models", "info"), entry)
        self.assertEqual({form["weights"] for form in entry["files"]}, {"f32", "f16", "q8_0"})
        self.assertEqual(len({form["fingerprint"] for form in entry["files"]}), 3)
        self.assertIn(entry["files"][0]["sha256"], self.good("models", "info", NAME).out)
        self.assertIn(NAME, self.good("models").out)

    def test_an_unknown_name(self):
        for command in (["embed", "x", "--model"], ["models", "info"], ["models", "fetch"], ["models", "load"]):
            self.fails(64, *command, "all-minilm-l6", says=["no model is called 'all-minilm-l6'", f"'{NAME}'"])
        self.fails(64, "models", "list", NAME, says="takes no name")
        self.fails(64, "models", "remove", says="remove")

    def test_a_model_that_was_not_fetched(self):
        self.environment["WEIR_CACHE_DIR"] = str(self.folder / "empty")
        self.fails(66, "embed", "x", says=["is not here", f"weir models fetch {NAME}"])
        self.fails(66, "models", "load", NAME, says=["weir models fetch"])
        self.assertFalse(self.json("models", "info", NAME)["fetched"])

    def test_fetch_outside_a_checkout_says_how(self):
        program = self.folder / "bin/weir"
        program.parent.mkdir()
        shutil.copy(BINARY, program)
        self.fails(66, "models", "fetch", NAME, binary=str(program), environment={"WEIR_CACHE_DIR": str(self.folder / "empty")},
                   says=["no source checkout", "scripts/fetch-assets model", "model.safetensors"])

    def test_fetch_runs_the_script_of_its_checkout(self):
        program = self.folder / "checkout/build/release/bin/weir"
        program.parent.mkdir(parents=True)
        shutil.copy(BINARY, program)
        self.write("checkout/scripts/assets.txt", "")
        script = self.write("checkout/scripts/fetch-assets", "#!/bin/sh\necho \"asked for: $*\"\nexit 3\n")
        script.chmod(0o755)
        self.fails(66, "models", "fetch", NAME, binary=str(program), environment={"WEIR_CACHE_DIR": str(self.folder / "empty")},
                   says=[f"asked for: --only models/{NAME} model", "did not bring"])

    @unittest.skipUnless(IS_THERE, NEEDS_MODEL)
    def test_fetch_brings_again_what_is_damaged(self):
        (self.folder / "cache/models").unlink()
        folder = self.folder / "cache/models" / NAME
        shutil.copytree(MODELS / NAME, folder, ignore=shutil.ignore_patterns("*.gguf", "model.safetensors"))
        (folder / "model.safetensors").write_bytes((MODELS / NAME / "model.safetensors").read_bytes()[:100_000])
        (folder / ".stamp").write_text("as it was brought")
        program = self.folder / "checkout/build/release/bin/weir"
        program.parent.mkdir(parents=True)
        shutil.copy(BINARY, program)
        self.write("checkout/scripts/assets.txt", "")
        script = self.write("checkout/scripts/fetch-assets",
                            f"#!/bin/sh\n[ ! -e '{folder}/.stamp' ] && cp '{MODELS / NAME}/model.safetensors' '{folder}/'\n")
        script.chmod(0o755)
        done = self.good("models", "fetch", NAME, "--weights", "q8_0", binary=str(program))
        self.assertIn("damaged", done.err)
        self.assertIn("is fetched", done.out)
        self.assertEqual(self.embed("a text", "--weights", "q8_0")["cache"], ["computed"])

    @unittest.skipUnless(IS_THERE, NEEDS_MODEL)
    def test_fetch_converts_and_checks(self):
        (self.folder / "cache/models").unlink()
        folder = self.folder / "cache/models" / NAME
        shutil.copytree(MODELS / NAME, folder, ignore=shutil.ignore_patterns("*.gguf"))
        form = next(form for form in self.json("models", "info")["files"] if form["weights"] == "q8_0")
        self.assertFalse(form["there"])
        answer = self.json("models", "fetch", NAME, "--weights", "q8_0")
        self.assertEqual((answer["fetched"], answer["sha256"]), (False, form["sha256"]))
        # A file that is not what it should be is made anew.
        made = pathlib.Path(answer["file"])
        whole = made.read_bytes()
        made.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        self.json("models", "fetch", NAME, "--weights", "q8_0")
        self.assertEqual(made.read_bytes(), whole)

    @unittest.skipUnless(IS_THERE, NEEDS_MODEL)
    def test_load(self):
        answer = self.json("models", "load", NAME)
        self.assertEqual((answer["dimensions"], answer["tokens_max"], answer["pooling"]), (384, 256, "mean"))
        self.assertGreater(answer["memory_bytes"], 1_000_000)


if __name__ == "__main__":
    unittest.main()
