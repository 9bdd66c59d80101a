"""tokenize, hash, config, doctor, demo, version: their output and exit codes."""
import json
import os
import signal
import subprocess
import unittest

from support import BINARY, CommandTest, FETCHED, SANITIZED, SOURCE


class Tokenize(CommandTest):
    def test_json_shape_and_offsets(self):
        text = "in the land, and  the é\n"
        result = self.json("tokenize", "--tokenizer", "small", "--offsets", stdin=text)
        self.assertEqual(result["tokens"], len(result["ids"]))
        self.assertEqual(result["offsets"][0][0], 0)
        self.assertEqual(result["offsets"][-1][1], len(text.encode()))
        for before, after in zip(result["offsets"], result["offsets"][1:]):
            self.assertEqual(before[1], after[0])
        self.assertLess(result["tokens"], len(text))  # merges happened
        self.assertNotIn("offsets", self.json("tokenize", "--tokenizer", "small", stdin=text))

    def test_file_and_standard_input_agree(self):
        path = self.write("a.txt", "the cat and the hat")
        from_file = self.json("tokenize", path, "--tokenizer", "small")
        self.assertEqual(from_file, self.json("tokenize", "-", "--tokenizer", "small", stdin=path.read_bytes()))
        self.assertEqual(from_file, self.json("tokenize", path, "--tokenizer", self.folder / "cache/tokenizers/small"))
        self.assertEqual(from_file, self.json("tokenize", path, "--tokenizer",
                                              self.folder / "cache/tokenizers/small/tokenizer.json"))

    def test_decode_gives_the_bytes_back(self):
        text = "tabs\tand the\n日本 🙂 end"
        ids = self.good("tokenize", "--tokenizer", "small", "--ids", stdin=text).out
        self.assertEqual(self.good("tokenize", "--decode", "--tokenizer", "small", stdin=ids).out, text)
        decoded = self.json("tokenize", "--decode", "--tokenizer", "small", stdin=ids)
        self.assertEqual(decoded["text"], text)
        self.assertEqual(bytes.fromhex(decoded["bytes"]), text.encode())

    def test_jsonl_goes_on_after_bad_lines(self):
        lines = '{"text":"the"}\nnot json\n\n{"text":7}\n{"text":"and"}'
        done = self.weir("tokenize", "--jsonl", "--tokenizer", "small", stdin=lines)
        self.assertEqual(done.code, 3)
        results = [json.loads(line) for line in done.out.splitlines()]
        self.assertEqual([r["tokens"] if "tokens" in r else r["error"]["line"] for r in results], [1, 2, 4, 1])
        self.assertEqual(self.weir("tokenize", "--jsonl", "--tokenizer", "small", stdin="x\n").code, 65)
        self.assertEqual(self.good("tokenize", "--jsonl", "--tokenizer", "small", stdin="").out, "")

    def test_table_for_people(self):
        out = self.good("tokenize", "--tokenizer", "small", stdin="the\x1b[31m cat").out
        self.assertIn("tokens", out)
        self.assertNotIn("\x1b", out)  # control characters of the text do not reach the terminal
        self.assertIn("\\x1b", out)

    @unittest.skipUnless((FETCHED / "qwen3").exists(), "set-up has not fetched qwen3")
    def test_known_ids(self):
        ids = self.json("tokenize", "--tokenizer", FETCHED / "qwen3", stdin="Hello world, it's 2026: 日本")["ids"]
        self.assertEqual(ids, [9707, 1879, 11, 432, 594, 220, 17, 15, 17, 21, 25, 75402, 21894])

    @unittest.skipUnless((FETCHED / "llama3.1").exists(), "set-up has not fetched llama3.1")
    def test_special_tokens_are_added_unless_refused(self):
        llama = FETCHED / "llama3.1"
        plain = self.json("tokenize", "--tokenizer", llama, "--no-special-tokens", stdin="hi")["ids"]
        self.assertEqual(self.json("tokenize", "--tokenizer", llama, stdin="hi")["ids"], [128000, *plain])


class Hash(CommandTest):
    BLOCKS = ",".join(str(101 * n) for n in range(1, 33))
    ONE_TO_SIXTEEN = ",".join(map(str, range(1, 17)))

    def keys(self, *arguments):
        rows = self.json("hash", *arguments)
        self.assertEqual([row["index"] for row in rows], list(range(len(rows))))
        return [(row["key"], row["u64"]) for row in rows]

    def test_vllm_vectors(self):
        known = {
            "sha256_cbor": [("d450abdaf2c9ebdd0e0cbfbc4e24a5c07ff71dcab37be7426d4fa0e5fdb93342", "7876691182959014722"),
                            ("0d95d2dc02f528b32afbd33ebffedd911ed1978087b0a01679b4ddd62261c5db", "8769878286166771163")],
            "sha256": [("7f82767b9d5da0d11d69bbe28ae068e688ab5a0bbe5b0119b70888a8c7c69ead", "13188941767242063533"),
                       ("39c7585e2fca362d7ccd3fd06894b11fb70772b2ba68d3e08edc0bb1cebd1df6", "10294115706567728630")],
            "xxhash_cbor": [("363a30eaa81cfc9f9992a6dfe619bda1", "11066090714971094433"),
                            ("60bf650ad0efa0dc7147140a2e85add6", "8162514883595054550")]}
        for algorithm, keys in known.items():
            self.assertEqual(self.keys("--algo", algorithm, "--seed", "0", "--ids", self.BLOCKS), keys)

    def test_vllm_extras_and_parent(self):
        vllm = ("--algo", "sha256_cbor", "--seed", "0", "--ids", self.ONE_TO_SIXTEEN)
        self.assertTrue(self.keys(*vllm)[0][0].startswith("202da172482d928b"))
        self.assertTrue(self.keys(*vllm, "--salt", "tenant-a")[0][0].startswith("49b760d6d243926b"))
        self.assertTrue(self.keys(*vllm, "--lora", "my-lora")[0][0].startswith("07df9ef1b6800860"))
        tagged = self.keys(*vllm, "--salt", "tenant-a", "--extras", "tagged")
        self.assertNotEqual(tagged, self.keys(*vllm, "--salt", "tenant-a"))
        first = ",".join(self.BLOCKS.split(",")[:16])
        second = ",".join(self.BLOCKS.split(",")[16:])
        for algorithm in ("sha256", "sha256_cbor", "xxhash", "xxhash_cbor", "llmd", "dynamo", "weir"):
            seed = () if algorithm in ("dynamo", "weir") else ("--seed", "0")
            whole = self.keys("--algo", algorithm, *seed, "--ids", self.BLOCKS)
            start = self.keys("--algo", algorithm, *seed, "--ids", first)
            rest = self.keys("--algo", algorithm, *seed, "--ids", second, "--parent", start[0][0])
            self.assertEqual(whole, start + rest, algorithm)

    def test_router_vectors(self):
        llmd = self.keys("--algo", "llmd", "--model", "ibm-granite/granite-3.1-8b-instruct", "--block-size", "4", "--ids",
                         "8197,438,322,18926")
        self.assertEqual(llmd[0][1], "1334984470577408192")
        dynamo = self.json("hash", "--algo", "dynamo", "--block-size", "4", "--ids", "1,2,3,4,5,6,7,8")
        self.assertEqual([row["local"] for row in dynamo], ["14643705804678351452", "16777012769546811212"])
        self.assertEqual(dynamo[1]["u64"], "4945711292740353085")

    def test_only_full_blocks_have_keys(self):
        self.assertEqual(self.keys("--algo", "weir", "--ids", "1,2,3"), [])
        done = self.good("hash", "--algo", "weir", "--ids", "-", stdin="1 2 3")
        self.assertIn("3 tokens left over", done.err)

    def test_usage(self):
        self.fails(64, "hash", "--algo", "sha256", says="--ids")
        self.fails(65, "hash", "--algo", "sha256", "--ids", "1,x", says="'x'")
        self.fails(65, "hash", "--algo", "sha256", "--ids", "1,-2", says="'-2'")
        self.fails(65, "hash", "--algo", "sha256", "--ids", "4294967296", says="4294967296")
        self.fails(64, "hash", "--algo", "sha512", "--ids", "1", says="sha512")
        self.fails(64, "hash", "--algo", "xxhash", "--ids", "1", says="PYTHONHASHSEED")
        self.fails(64, "hash", "--algo", "sha256", "--ids", "1", "--parent", "zz")
        self.fails(64, "hash", "--ids", "1", "--block-size", "0", says="1 to 65536")


class Config(CommandTest):
    def test_precedence_and_origins(self):
        file = self.write("home/.config/weir/config.toml", 'block_size = 32\ntokenizer = "small"\n')
        shown = self.json("config")["settings"]
        self.assertEqual(shown["block_size"], {"value": 32, "origin": f"{file}:1"})
        self.assertEqual(shown["cache_tokens"]["origin"], "default")
        shown = self.json("config", environment={"WEIR_BLOCK_SIZE": "64"})["settings"]
        self.assertEqual(shown["block_size"], {"value": 64, "origin": "environment WEIR_BLOCK_SIZE"})
        shown = self.json("config", "--block-size", "8", environment={"WEIR_BLOCK_SIZE": "64"})["settings"]
        self.assertEqual(shown["block_size"], {"value": 8, "origin": "flag --block-size"})
        text = self.good("config", "show", "--origin").out
        self.assertIn(f"# {file}:1", text)

    def test_settings_are_used(self):
        self.write("w.toml", 'tokenizer = "small"\n')
        self.good("tokenize", "--config", "w.toml", stdin="the")
        self.good("tokenize", stdin="the", environment={"WEIR_CONFIG": "w.toml"})

    def test_what_it_shows_is_a_configuration_file(self):
        first = self.good("config", "--tokenizer", 'odd "name"', "--block-size", "4").out
        self.write("again.toml", first)
        self.assertEqual(self.good("config", "--config", "again.toml").out, first)

    def test_mistakes_stop_it(self):
        self.write("a.toml", "blok_size = 3\n")
        self.fails(78, "config", "--config", "a.toml", says=["a.toml:1", "blok_size", "block_size"])
        self.write("b.toml", 'block_size = "3"\n')
        self.fails(78, "config", "--config", "b.toml", says="whole number")
        self.write("c.toml", "block_size = \n")
        self.fails(78, "config", "--config", "c.toml", says="c.toml:1")
        self.write("d.toml", "\nblock_size = 0\n")
        self.fails(78, "share", "x", "--config", "d.toml", says="d.toml:2")
        self.fails(78, "config", "--config", "absent.toml", says="absent.toml")
        self.fails(78, "config", says="WEIR_BLOCK_SIZE", environment={"WEIR_BLOCK_SIZE": "many"})
        self.fails(78, "config", says="WEIR_COLOR", environment={"WEIR_COLOR": "blue"})
        self.good("version", environment={"WEIR_BLOCK_SIZE": "many"})  # needs no settings


class Doctor(CommandTest):
    def checks(self, done):
        return {check["name"]: check for check in json.loads(done.out)["checks"]}

    def test_all_well(self):
        checks = self.checks(self.good("doctor", "--tokenizer", "small", "--json"))
        self.assertEqual(checks["tokenizer"]["status"], "ok")
        self.assertEqual(checks["chat template"]["status"], "ok")
        self.assertIn("ok", self.good("doctor").out)

    def test_what_is_wrong_has_advice(self):
        self.write("bad.toml", "blok_size = 3\n")
        done = self.weir("doctor", "--tokenizer", "smal", "--json",
                         environment={"WEIR_CONFIG": "bad.toml", "WEIR_TOKENISER": "x"})
        self.assertEqual(done.code, 1)
        checks = self.checks(done)
        self.assertEqual(checks["configuration"]["status"], "fail")
        self.assertEqual(checks["environment"]["status"], "warn")
        self.assertIn("WEIR_TOKENIZER", checks["environment"]["advice"])
        self.assertEqual(checks["tokenizer"]["status"], "fail")
        self.assertIn("small", checks["tokenizer"]["advice"])

    def test_cache_folder_that_cannot_be_written(self):
        self.write("plain", "a file, not a folder")
        checks = self.checks(self.weir("doctor", "--json", environment={"WEIR_CACHE_DIR": str(self.folder / "plain/cache")}))
        self.assertEqual(checks["cache folder"]["status"], "warn")

    @unittest.skipUnless((FETCHED / "qwen3").exists(), "set-up has not fetched qwen3")
    def test_known_ids_are_compared(self):
        checks = self.checks(self.good("doctor", "--tokenizer", FETCHED / "qwen3", "--json"))
        self.assertIn("known ids of qwen right", checks["tokenizer"]["detail"])


class Demo(CommandTest):
    def test_same_numbers_every_time(self):
        demo = self.json("demo", "--tokenizer", "small")
        again = self.json("demo", "--tokenizer", "small")
        for one in (demo, again):  # measured anew each time
            registry = one["registry"]
            del one["memory"], registry["register_ms"], registry["match_us"], registry["restart"]["ms"]
            del registry["removal"]["index_bytes_before"], registry["removal"]["index_bytes_after"]
        self.assertEqual(demo, again)
        self.assertEqual([agent["agent"] for agent in demo["share"]["agents"]],
                         ["retriever", "reranker", "summarizer", "critic", "responder"])
        self.assertGreater(demo["layout"]["reusable_tokens"]["after"], demo["layout"]["reusable_tokens"]["before"])

    def test_finds_the_mistakes_it_made(self):
        demo = self.json("demo", "--tokenizer", "small")
        causes = {broken: group["explanation"]["divergence"]["cause"]
                  for group in demo["breaks"] for broken in group["broken"]}
        self.assertEqual(causes.get("critic"), "timestamp")
        self.assertEqual(causes.get("reranker"), "whitespace")
        self.assertEqual(causes.get("summarizer"), "tool order")
        self.assertEqual(causes.get("responder"), "json key order")

    def test_writes_prompts_to_try_by_hand(self):
        self.good("demo", "--tokenizer", "small", "--write", "out")
        by_hand = self.json("share", "out/pipeline.jsonl", "--tokenizer", "small")
        self.assertEqual(by_hand["totals"], self.json("demo", "--tokenizer", "small")["share"]["totals"])
        self.fails(73, "demo", "--tokenizer", "small", "--write", "/proc/none", says="/proc/none")

    def test_for_people(self):
        out = self.good("demo", "--tokenizer", "small").out
        for text in ("What they share", "Where prefixes break", "Which layout mends it", "before", "after", "Going on",
                     "Memory: pools filled", "given back", "A registry", "the same answers"):
            self.assertIn(text, out)

    def test_registers_matches_restarts_and_removes(self):
        registry = self.json("demo", "--tokenizer", "small")["registry"]
        self.assertEqual(len(registry["registered"]), 5)
        self.assertTrue(any(one["system"]["divergence"] for one in registry["registered"]))
        self.assertEqual([match["agent"] for match in registry["matches"]],
                         ["retriever", "reranker", "summarizer", "critic", "responder"])
        self.assertEqual((registry["restart"]["restored"], registry["restart"]["same_answers"]), (5, True))
        self.assertEqual(registry["removal"]["found_after"], 0)
        self.assertLess(registry["removal"]["index_bytes_after"], registry["removal"]["index_bytes_before"])

    def test_squeezed_pools_give_memory_back(self):
        memory = self.json("demo", "--tokenizer", "small")["memory"]
        self.assertEqual([pool["name"] for pool in memory["pools"]], ["texts", "tokens", "blocks"])
        self.assertGreaterEqual(memory["squeeze"]["released_bytes"], memory["squeeze"]["asked_bytes"])
        for pool in memory["pools"]:
            self.assertEqual(pool["wrong"], 0)
            self.assertEqual(pool["intact"], pool["squeezed"]["entries"])
        resident = memory["resident_bytes"]
        if None not in resident.values() and not SANITIZED:
            fall = resident["filled"] - resident["squeezed"]
            self.assertGreaterEqual(fall, 0.75 * memory["squeeze"]["released_bytes"])

    def test_hold_lets_others_look_until_it_is_interrupted(self):
        environment = {**self.environment, "XDG_RUNTIME_DIR": str(self.folder)}
        with subprocess.Popen([BINARY, "demo", "--tokenizer", "small", "--hold"], cwd=self.folder, env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as demo:
            try:
                self.assertIn("holds its pools", demo.stderr.readline())
                seen = json.loads(self.good("pools", "--pid", demo.pid, "--json", environment=environment).out)
                self.assertEqual({pool["name"] for pool in seen["pools"]}, {"texts", "tokens", "blocks"})
                relief = json.loads(self.good("pressure", "relieve", "--pid", demo.pid, "--json",
                                              environment=environment).out)
                self.assertGreater(relief["released_bytes"], 0)
                demo.send_signal(signal.SIGINT)
                self.assertEqual(demo.wait(timeout=60), 0)
            finally:
                demo.kill()


class Others(CommandTest):
    def test_version(self):
        version = self.json("version")
        self.assertEqual(self.good("--version").out, f"weir {version['version']}\n")
        self.assertIn(version["version"], (SOURCE / "CMakeLists.txt").read_text())

    def test_bench_lists_and_refuses(self):
        names = [bench["bench"] for bench in self.json("bench")]
        self.assertIn("block-keys", names)
        self.fails(64, "bench", "blok-keys", says="block-keys")
        row = json.loads(self.good("bench", "block-keys", "--json").out.splitlines()[0])
        self.assertTrue({"bench", "case", "metric", "value", "unit"} <= row.keys())


if __name__ == "__main__":
    unittest.main()
