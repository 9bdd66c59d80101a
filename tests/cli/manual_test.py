"""Help, the man page, docs/commands.md and completions: made from the parser, and true."""
import json
import shutil
import subprocess
import unittest

from support import CommandTest, SOURCE


class Manual(CommandTest):
    def commands(self):
        return self.json("man")["commands"]

    def test_every_command_has_help_with_examples_first(self):
        for command in self.commands():
            for arguments in ((command["name"], "--help"), (command["name"], "-h"), ("help", command["name"])):
                lines = self.good(*arguments).out.splitlines()
                self.assertTrue(lines[0].startswith(f"weir {command['name']} - "), lines[0])
                self.assertEqual(lines[2], "Examples")
            text = "\n".join(lines)
            for flag in command["flags"]:
                for name in flag["names"]:
                    self.assertIn(name, text)
            self.assertIn("--json", text)

    def test_overview(self):
        overview = self.good("--help").out
        self.assertEqual(overview, self.good().out)
        for command in self.commands():
            self.assertIn(f"  {command['name']} ", overview)

    def test_commands_of_the_contract_are_there(self):
        names = {command["name"] for command in self.commands()}
        self.assertLessEqual({"share", "explain", "layout", "contexts", "tokenize", "hash", "demo", "config", "doctor", "bench"}, names)

    def test_rest_reference_is_up_to_date(self):
        self.assertEqual((SOURCE / "docs/rest.md").read_text(), self.good("man", "--rest").out,
                         "run: build/release/bin/weir man --rest > docs/rest.md")

    def test_markdown_is_up_to_date(self):
        self.assertEqual((SOURCE / "docs/commands.md").read_text(), self.good("man", "--markdown").out,
                         "run: build/release/bin/weir man --markdown > docs/commands.md")

    def test_man_page_is_well_formed(self):
        page = self.good("man").out
        self.assertTrue(page.startswith(".TH WEIR 1"))
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page.encode(), capture_output=True, check=True)
        self.assertEqual(done.stderr, b"")

    def test_exit_codes_are_documented(self):
        page = self.good("man", "--markdown").out
        for code in (0, 1, 3, 64, 65, 66, 70, 73, 74, 78, 141):
            self.assertIn(f"| {code} | ", page)


class Completion(CommandTest):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = self.write("weir.bash", self.good("completion", "bash").out)
        quoted = " ".join(f"'{word}'" for word in words)
        program = (f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _weir; "
                   "printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", program], capture_output=True, check=True, cwd=self.folder,
                              env=self.environment)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode().split()

    def test_bash(self):
        self.assertIn("share", self.complete("weir", "sh"))
        self.assertEqual(self.complete("weir", "expl"), ["explain"])
        self.assertIn("--tokenizer", self.complete("weir", "share", "--tok"))
        self.assertIn("small", self.complete("weir", "share", "--tokenizer", "s"))
        self.assertEqual(self.complete("weir", "hash", "--algo", "sha256_"), ["sha256_cbor"])
        self.assertEqual(self.complete("weir", "completion", "z"), ["zsh"])
        self.assertEqual(self.complete("weir", "ledger", "ver"), ["verify"])
        self.write("log.jsonl", "")
        self.assertEqual(self.complete("weir", "ledger", "verify", "lo"), ["log.jsonl"])
        self.assertEqual(self.complete("weir", "contexts", "rem"), ["remove"])
        self.write("folder/x.txt", "x")
        self.assertEqual(self.complete("weir", "contexts", "list", "--data", "fol"), ["folder"])
        self.assertEqual(self.complete("weir", "models", "fet"), ["fetch"])
        self.assertEqual(self.complete("weir", "models", "info", "all-"), ["all-minilm-l6-v2"])
        self.write("my.gguf", "")
        self.assertEqual(self.complete("weir", "models", "info", "my"), ["my.gguf"])
        self.assertEqual(self.complete("weir", "embed", "--model", "all-"), ["all-minilm-l6-v2"])
        self.assertEqual(self.complete("weir", "embed", "--model", "my"), ["my.gguf"])
        self.write("some prompts/x.txt", "x")
        self.assertEqual(" ".join(self.complete("weir", "share", "some")), "some prompts")

    def test_scripts_parse(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.good("completion", shell).out
            self.assertIn("tokenizer", script)
            if shutil.which(shell) is None:
                print(f"{shell} is not installed: its script is not parsed")
                continue
            subprocess.run([shell, "-n"], input=script.encode(), check=True)

    def test_json(self):
        self.assertEqual(self.json("completion", "bash")["script"], self.good("completion", "bash").out)


if __name__ == "__main__":
    unittest.main()
