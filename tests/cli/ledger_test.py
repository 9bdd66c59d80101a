"""ledger: on files that this test writes by the format's description alone (docs/ledger-format.md)."""
import hashlib
import json
import subprocess
import sys
import unittest

from support import CommandTest, SOURCE


def ledger(decisions, first=1, prev=bytes(32)):
    """Lines of a ledger and the hash of each."""
    lines, hashes = [], []
    for number, decision in enumerate(decisions, first):
        body = f'{{"v":1,"n":{number},"unix_ms":{1700000000000 + number},{decision},"prev":"{prev.hex()}"'
        prev = hashlib.sha256(prev + (body + "}").encode()).digest()
        hashes.append(prev)
        lines.append(f'{body},"hash":"{prev.hex()}"}}\n')
    return lines, hashes


def reuse(agent, tokens, more=""):
    return f'"kind":"reuse","agent":{json.dumps(agent, ensure_ascii=False)}{more},"reason":"exact_prefix","fields":{{"tokens":{tokens}}}'


DECISIONS = [reuse("writer", 1024), reuse("writer", "null", ',"owner":"retriever"'), reuse("größer \"x\"\n", 0.5),
             '"kind":"mode_change","agent":"","reason":"pressure","fields":{"from":1,"to":-2}',
             '"kind":"gap","agent":"","reason":"refused","fields":{"decisions":3}',
             '"kind":"repair","agent":"","reason":"torn_line","fields":{"bytes_cut":7}']


class Verify(CommandTest):
    def setUp(self):
        super().setUp()
        self.lines, self.hashes = ledger(DECISIONS)
        self.path = self.write("l.jsonl", "".join(self.lines))

    def verdict(self, code, *flags):
        done = self.weir("ledger", "verify", "l.jsonl", "--json", *flags)
        self.assertEqual(done.code, code, done.out + done.err)
        self.assertEqual(done.err, "")
        return json.loads(done.out)

    def test_good(self):
        self.assertEqual(self.verdict(0), {
            "ok": True, "lines": 6, "files": ["l.jsonl"], "start": "genesis", "first": 1, "last": 6,
            "last_hash": self.hashes[-1].hex(), "repairs": 1, "gaps": 1, "expected": "not_asked", "fault": None})
        text = self.good("ledger", "verify", "l.jsonl").out
        self.assertIn("every line is as it was written", text)
        self.assertIn(f"number 6, hash {self.hashes[-1].hex()}", text)

    def test_every_flipped_byte_names_its_line(self):
        good = self.path.read_bytes()
        for at in range(0, len(good), 29):
            self.path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
            fault = self.verdict(65)["fault"]
            line = good[:at].count(b"\n") + 1
            self.assertEqual((fault["file"], fault["line"]), ("l.jsonl", line), f"byte {at}: {fault}")
            self.assertEqual(fault["byte"], len("".join(self.lines[:line - 1]).encode()))

    def test_bad_line_in_text(self):
        self.path.write_text("".join(self.lines).replace('"from":1', '"from":2'))
        done = self.weir("ledger", "verify", "l.jsonl")
        self.assertEqual(done.code, 65)
        self.assertIn("l.jsonl line 4 (byte ", done.out)
        self.assertIn("wrong_hash", done.out)
        self.assertIn(f"number 3, hash {self.hashes[2].hex()}", done.out)

    def test_rotated_files(self):
        self.write("l.jsonl.1", "".join(self.lines[2:4]))
        self.write("l.jsonl.2", "".join(self.lines[:2]))
        self.path.write_text("".join(self.lines[4:]))
        verdict = self.verdict(0)
        self.assertEqual(verdict["files"], ["l.jsonl.2", "l.jsonl.1", "l.jsonl"])
        self.assertEqual((verdict["lines"], verdict["start"]), (6, "genesis"))
        (self.folder / "l.jsonl.2").unlink()
        verdict = self.verdict(0)
        self.assertEqual((verdict["lines"], verdict["start"], verdict["first"]), (4, "continues", 3))
        (self.folder / "l.jsonl.1").write_text(self.lines[2])
        fault = self.verdict(65)["fault"]
        self.assertEqual((fault["file"], fault["line"], fault["kind"]), ("l.jsonl", 1, "sequence_gap"))

    def test_expectations(self):
        note = ("--expect-last", "6", "--expect-hash", self.hashes[5].hex())
        self.assertEqual(self.verdict(0, *note)["expected"], "kept")
        self.assertEqual(self.verdict(0, "--expect-hash", self.hashes[1].hex().upper())["expected"], "kept")
        self.assertEqual(self.verdict(65, "--expect-last", "5", *note[2:])["expected"], "other")
        self.path.write_text("".join(self.lines[:5]))
        verdict = self.verdict(65, *note)
        self.assertEqual((verdict["ok"], verdict["expected"], verdict["fault"]), (False, "missing", None))
        self.assertIn("line 6 is not in the ledger", self.weir("ledger", "verify", "l.jsonl", *note).out)

    def test_bad_input(self):
        self.fails(66, "ledger", "verify", "absent.jsonl", says="absent.jsonl")
        self.fails(65, "ledger", "verify", ".", says="folder")
        self.fails(64, "ledger", "verify", says="FILE")
        self.fails(64, "ledger", "mend", "l.jsonl", says="mend")
        self.fails(64, "ledger", "verify", "l.jsonl", "--expect-hash", "abc", says="--expect-hash")
        self.fails(64, "ledger", "verify", "l.jsonl", "--tail", "3", says="--tail")
        self.fails(64, "ledger", "show", "l.jsonl", "--expect-last", "3", says="--expect-last")
        self.fails(64, "ledger", "show", "l.jsonl", "--tail", "0", says="--tail")

    def test_show(self):
        shown = self.good("ledger", "show", "l.jsonl", "--tail", "4").out
        self.assertNotIn("1024", shown)
        self.assertIn("2023-11-14 22:13:20Z", shown)
        self.assertIn('größer "x"\\n', shown)
        self.assertIn("from=1 to=-2", shown)
        rows = [json.loads(line) for line in self.good("ledger", "show", "l.jsonl", "--json").out.splitlines()]
        self.assertEqual([row["n"] for row in rows], [1, 2, 3, 4, 5, 6])
        self.path.write_text(self.lines[0] + "\x1b[31mtorn")
        done = self.weir("ledger", "show", "l.jsonl")
        self.assertEqual(done.code, 3)
        self.assertNotIn("\x1b", done.out)
        self.assertIn("1 line is no JSON", done.err)
        self.path.write_text("")
        self.assertEqual(self.good("ledger", "show", "l.jsonl").out, "")

    def test_the_check_by_hand_in_the_documentation_works(self):
        text = (SOURCE / "docs/ledger-format.md").read_text()
        program = text.split("python3 -c '")[1].split("' < FILE")[0]
        for line, expected in ((self.lines[0], "True"), (self.lines[0].replace("1024", "1025"), "False")):
            done = subprocess.run([sys.executable, "-c", program], input=line.encode(), capture_output=True, check=True)
            self.assertEqual(done.stdout.decode().strip(), expected)


if __name__ == "__main__":
    unittest.main()
