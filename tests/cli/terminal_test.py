"""Colour, width and progress on a terminal; near misses."""
import os
import pty
import select
import subprocess
import time
import unittest

from support import BINARY, CommandTest, SHARED_TEXT

SMALL = ("--tokenizer", "small")


class Terminal(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("p/a.txt", SHARED_TEXT + " one")
        self.write("p/b.txt", SHARED_TEXT + " two")

    def on_terminal(self, *arguments, environment=None, stdout=True):
        """Output of the command when it writes to a terminal: standard output too, or standard error alone."""
        try:
            leader, follower = pty.openpty()
        except OSError as error:
            self.skipTest(f"this machine gives no terminal: {error}")
        target = follower if stdout else subprocess.DEVNULL
        process = subprocess.Popen([BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=target, stderr=follower,
                                   cwd=self.folder, env={**self.environment, "TERM": "xterm", **(environment or {})})
        os.close(follower)
        output = b""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            ready, _, _ = select.select([leader], [], [], 1)
            if not ready:
                continue
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            output += piece
        os.close(leader)
        self.assertEqual(process.wait(), 0, output)
        return output.decode()

    def test_colour_only_on_a_terminal(self):
        self.assertIn("\x1b[", self.on_terminal("share", "p", *SMALL))
        self.assertNotIn("\x1b[", self.good("share", "p", *SMALL).out)

    def test_no_color_and_dumb_terminals(self):
        self.assertNotIn("\x1b[", self.on_terminal("share", "p", *SMALL, environment={"NO_COLOR": "1"}).replace("\x1b[K", ""))
        self.assertNotIn("\x1b[", self.on_terminal("share", "p", *SMALL, environment={"TERM": "dumb"}))
        self.assertNotIn("\x1b[", self.on_terminal("share", "p", *SMALL, "--color", "never").replace("\x1b[K", ""))

    def test_colour_on_demand(self):
        self.assertIn("\x1b[", self.good("share", "p", *SMALL, "--color", "always").out)
        self.assertIn("\x1b[", self.good("share", "p", *SMALL, environment={"WEIR_COLOR": "always"}).out)
        self.assertNotIn("\x1b[", self.good("share", "p", *SMALL, "--color", "always", "--json").out)

    def test_progress_of_a_long_run(self):
        self.write("long/a.txt", "the end and " * 4_000_000)
        self.write("long/b.txt", "the other end")
        shown = self.on_terminal("share", "long", *SMALL, stdout=False)
        # Which phase is slow enough to be shown is the machine's affair.
        self.assertRegex(shown, r"(reading prompts|comparing).* \(\d+\.\d s\)")
        self.assertTrue(shown.rstrip("\r\n").endswith("\x1b[K"))  # and the line is gone at the end
        self.assertEqual(self.good("share", "long", *SMALL).err, "")  # nothing of it in a log

    def test_prompt_text_cannot_drive_the_terminal(self):
        for name in ("a", "b"):
            self.write(f"evil/{name}.txt", "\x1b]0;title\x07\x1b[2J\u202e" + SHARED_TEXT + name)
        for arguments in (("share", "evil"), ("explain", "evil", "--a", "a", "--b", "b")):
            out = self.good(*arguments, *SMALL).out
            for character in ("\x1b", "\x07", "\u202e"):
                self.assertNotIn(character, out)


class NearMisses(CommandTest):
    def test_commands_and_flags(self):
        self.fails(64, "shar", says=["unknown command 'shar'", "did you mean 'share'?"])
        self.fails(64, "share", "x", "--tokeniser", "small", says=["--tokeniser", "did you mean '--tokenizer'?"])
        self.fails(64, "share", "x", "--html=a", "--taget", "b", says="did you mean '--target'?")
        self.fails(64, "completion", "bahs", says="did you mean 'bash'?")
        self.fails(64, "hash", "--algo", "sha256_cobr", "--ids", "1", says="did you mean 'sha256_cbor'?")
        self.fails(64, "share", "x", "--color", "alway", says="did you mean 'always'?")
        self.fails(64, "frobnicate", says="unknown command")

    def test_missing_and_superfluous_words(self):
        self.fails(64, "share", says="PATH")
        self.fails(64, "tokenize", "a", "b", says="'b'")
        self.fails(64, "share", "x", "--tokenizer", says="--tokenizer")


if __name__ == "__main__":
    unittest.main()
