"""Bad input: a clear message that says what to do, a non-zero exit, no partial output."""
import json
import os
import resource
import subprocess
import unittest

from support import BINARY, CommandTest, SANITIZED, SHARED_TEXT, request, tool, small_tokenizer

SMALL = ("--tokenizer", "small")


class Inputs(CommandTest):
    def two_prompts(self):
        self.write("p/a.txt", SHARED_TEXT + " one")
        self.write("p/b.txt", SHARED_TEXT + " two")

    def test_missing_file(self):
        for command in ("share", "explain", "layout"):
            self.fails(66, command, "absent.txt", *SMALL, says="absent.txt")
        self.fails(66, "tokenize", "absent.txt", *SMALL, says="absent.txt")

    def test_unreadable_file(self):
        self.two_prompts()
        path = self.write("locked.txt", "text")
        path.chmod(0)
        extra = self.without_privileges()
        for command in ("share", "tokenize"):
            self.fails(66, command, "locked.txt", *SMALL, says=["locked.txt", "ermission"], **extra)

    def test_unreadable_file_in_a_folder_is_left_out(self):
        self.two_prompts()
        self.write("p/locked.txt", "text").chmod(0)
        extra = self.without_privileges()
        done = self.weir("share", "p", *SMALL, "--json", **extra)
        self.assertEqual(done.code, 3, done.err)
        self.assertEqual(len(json.loads(done.out)["agents"]), 2)
        self.assertTrue(json.loads(done.out)["problems"][0]["file"].endswith("locked.txt"))

    def test_folder_without_text(self):
        (self.folder / "empty").mkdir()
        self.fails(65, "share", "empty", *SMALL, says="empty")
        self.write("binary/x.bin", bytes(range(256)) * 10)
        self.fails(65, "share", "binary", *SMALL, says="binary")

    def test_invalid_utf8(self):
        self.two_prompts()
        self.write("p/c.txt", b"twelve bytes\xff and more")
        done = self.weir("share", "p", *SMALL)
        self.assertEqual(done.code, 3)
        self.assertIn("byte 12", done.err)
        self.assertIn("--lossy", done.err)
        self.assertEqual(len(self.json("share", "p", *SMALL, "--lossy")["agents"]), 3)
        self.fails(65, "tokenize", "p/c.txt", *SMALL, says=["byte 12", "--lossy"])
        self.good("tokenize", "p/c.txt", *SMALL, "--lossy")
        self.write("q.txt", b"\xff")
        self.fails(65, "share", "q.txt", *SMALL, says="byte 0")  # nothing remains

    def test_bad_jsonl_lines_are_named_and_the_rest_is_done(self):
        good = json.dumps(request("a", SHARED_TEXT, "one"))
        other = json.dumps(request("b", SHARED_TEXT, "two"))
        self.write("calls.jsonl", f"{good}\n{{broken\n\n{other}\n[1]\n{{\"messages\":[]}}\n")
        for command in ("share", "layout", "explain"):
            done = self.weir(command, "calls.jsonl", *SMALL)
            self.assertEqual(done.code, 3, done.err)
            self.assertTrue(done.out)
            for line in (2, 5, 6):
                self.assertIn(f"calls.jsonl:{line}", done.err)
        problems = json.loads(self.weir("share", "calls.jsonl", *SMALL, "--json").out)["problems"]
        self.assertEqual([problem["line"] for problem in problems], [2, 5, 6])

    def test_empty_prompts(self):
        self.two_prompts()
        self.write("p/nothing.txt", "")
        done = self.weir("share", "p", *SMALL)
        self.assertEqual(done.code, 3)
        self.assertIn("nothing.txt", done.err)
        self.write("none.txt", "")
        self.fails(65, "share", "none.txt", *SMALL, says="none.txt")
        self.assertEqual(self.json("tokenize", "none.txt", *SMALL), {"tokens": 0, "ids": []})

    def test_one_agent_only(self):
        self.write("only.txt", SHARED_TEXT)
        for command in ("share", "explain", "layout"):
            self.fails(65, command, "only.txt", *SMALL, says=["only one agent", "give another file"])

    def test_colliding_names(self):
        self.write("x/same.txt", "one")
        self.write("y/same.txt", "two")
        done = self.fails(65, "share", "x", "y", *SMALL, says="same")
        self.assertIn("x/same.txt", done.err)
        self.assertIn("y/same.txt", done.err)

    def test_requests_without_a_template(self):
        self.two_prompts()
        (self.folder / "cache/tokenizers/small/tokenizer_config.json").unlink()
        self.write("calls.jsonl", "".join(json.dumps(request(agent, "s", "u", [tool("t")])) + "\n" for agent in "ab"))
        for command in ("share", "explain", "layout"):
            self.assertIn("--chat-template", self.good(command, "calls.jsonl", *SMALL).err)
            self.assertEqual(self.json(command, "calls.jsonl", *SMALL)["chat_template"], "chatml (assumed)")
            named = self.good(command, "calls.jsonl", *SMALL, "--chat-template", "chatml", "--json")
            self.assertEqual((named.err, json.loads(named.out)["chat_template"]), ("", "chatml"))
        text = self.good("share", "p", *SMALL, "--json")  # text needs none
        self.assertEqual((text.err, json.loads(text.out)["chat_template"]), ("", None))
        self.fails(66, "share", "p", *SMALL, "--chat-template", "absent.jinja", says="absent.jinja")

    def test_errors_as_json(self):
        done = self.fails(66, "share", "absent.txt", *SMALL, "--json")
        error = json.loads(done.err)["error"]
        self.assertEqual(error["code"], "not_found")
        self.assertTrue(error.keys() == {"code", "message", "hint"})
        error = json.loads(self.fails(64, "share", "--jsn", "--json").err)["error"]
        self.assertIn("--json", error["hint"])


class Tokenizers(CommandTest):
    def test_none_given(self):
        self.fails(64, "share", "x", says=["--tokenizer", "small"])

    def test_unknown_name(self):
        self.fails(66, "tokenize", "--tokenizer", "smal", says="did you mean 'small'?")
        (self.folder / "bare").mkdir()
        self.fails(66, "tokenize", "--tokenizer", "bare", says="tokenizer.json")

    def test_broken_file(self):
        self.write("t/tokenizer.json", "{\"version\": ")
        self.fails(65, "tokenize", "--tokenizer", "t", says="tokenizer.json")
        self.write("t/tokenizer.json", "[]")
        self.fails(65, "tokenize", "--tokenizer", "t", says="tokenizer.json")

    def test_unsupported_feature_is_named(self):
        tokenizer = small_tokenizer()
        tokenizer["model"]["type"] = "Unigram"
        self.write("t/tokenizer.json", json.dumps(tokenizer))
        self.fails(65, "tokenize", "--tokenizer", "t", says="Unigram")
        tokenizer = small_tokenizer()
        tokenizer["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": ""}
        self.write("t/tokenizer.json", json.dumps(tokenizer))
        self.fails(65, "tokenize", "--tokenizer", "t", says="Precompiled")

    def test_id_outside_the_vocabulary(self):
        self.fails(65, "tokenize", "--decode", *SMALL, stdin="1 999999999", says="1")


class Outputs(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("p/a.txt", SHARED_TEXT + " one")
        self.write("p/b.txt", SHARED_TEXT + " two")

    def test_page_in_a_missing_folder(self):
        before = self.files()
        self.fails(73, "share", "p", *SMALL, "--html", "absent/page.html", says="absent")
        self.assertEqual(self.files(), before)

    def test_full_disk_leaves_no_partial_page(self):
        self.write("out/page.html", "the old page")
        before = self.files()

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        # Warm the tokenizer's flat copy first: its writing may fail silently, the page's may not.
        self.good("tokenize", *SMALL, stdin="x")
        self.fails(73, "share", "p", *SMALL, "--html", "out/page.html", says="page.html", preexec_fn=limit)
        self.assertEqual(self.files(), before)
        self.assertEqual((self.folder / "out/page.html").read_text(), "the old page")

    def test_full_file_system(self):
        mount = self.folder / "disk"
        mount.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(mount)], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("cannot mount a small file system here")
        try:
            self.fails(73, "share", "p", *SMALL, "--html", "disk/page.html", says=["page.html", "space"])
            self.assertEqual(list(mount.iterdir()), [])
        finally:
            subprocess.run(["umount", str(mount)], check=True)

    def test_full_standard_output(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, "share", "p", *SMALL], stdout=full, stderr=subprocess.PIPE, cwd=self.folder,
                                  env=self.environment, check=False)
        self.assertEqual(done.returncode, 74)
        self.assertIn(b"standard output", done.stderr)

    def test_broken_pipe_is_quiet(self):
        self.write("long.txt", "the end and " * 200_000)
        with subprocess.Popen([BINARY, "tokenize", "long.txt", *SMALL, "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.folder, env=self.environment) as process:
            process.stdout.read(10)
            process.stdout.close()
            error = process.stderr.read()
            process.wait()
        self.assertEqual(process.returncode, 141)
        self.assertEqual(error, b"")


class Big(CommandTest):
    @unittest.skipIf(SANITIZED, "the memory of a sanitizer build says nothing")
    def test_a_prompt_of_100_mb_in_bounded_memory(self):
        unit = SHARED_TEXT.encode() + b" and the other\n"
        with open(self.folder / "big.txt", "wb") as file:
            for _ in range(100_000_000 // len(unit) + 1):
                file.write(unit)
        self.write("small.txt", SHARED_TEXT)
        with subprocess.Popen([BINARY, "share", "big.txt", "small.txt", *SMALL, "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.folder, env=self.environment) as process:
            out = process.stdout.read()
            error = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, error)
        report = json.loads(out)
        tokens = report["totals"]["tokens"]
        # The text, 8 bytes a token while a growing array is copied (twice), block keys, the rest of the process.
        limit = 100e6 + 2.6 * 8 * tokens + tokens + 200e6
        print(f"{tokens} tokens, {usage.ru_maxrss / 1024:.0f} MiB, limit {limit / 2**20:.0f} MiB")
        self.assertLess(usage.ru_maxrss * 1024, limit)


if __name__ == "__main__":
    unittest.main()
