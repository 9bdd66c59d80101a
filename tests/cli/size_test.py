"""weir share over 1,000 files of 2,000 tokens: processor time and memory."""
import json
import os
import random
import subprocess
import unittest

from support import BINARY, CommandTest, FETCHED, SANITIZED

CPU_SECONDS_MAX = 4.0  # twice the target, for slow machines; wall time depends on what else runs
BYTES_MAX = 300 * 2**20


class Size(CommandTest):
    @unittest.skipIf(SANITIZED, "the time and memory of a sanitizer build say nothing")
    @unittest.skipUnless((FETCHED / "qwen3").exists(), "set-up has not fetched qwen3")
    def test_a_thousand_files(self):
        words = [f"{a}{b}" for a in ("con", "pro", "inter", "re", "un", "over", "sub") for b in
                 ("sent", "stand", "ject", "form", "act", "port", "view", "cept", "lay", "mit", "tain", "duce")]
        shared = " ".join(random.Random(1).choices(words, k=400))
        for n in range(1000):
            generator = random.Random(n + 2)
            self.write(f"many/agent-{n:03}.txt", f"{shared}\nYou are agent {n}.\n" + " ".join(generator.choices(words, k=680)))
        with subprocess.Popen([BINARY, "share", "many", "--tokenizer", str(FETCHED / "qwen3"), "--json"], cwd=self.folder,
                              stdout=subprocess.PIPE, env=self.environment) as process:
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        report = json.loads(out)
        tokens = report["totals"]["tokens"]
        self.assertEqual(len(report["pairs"]), 1000 * 999 // 2)
        seconds = usage.ru_utime + usage.ru_stime
        print(f"{tokens} tokens, {seconds:.2f} s of processor time, {usage.ru_maxrss / 1024:.0f} MiB")
        self.assertGreater(tokens, 1_500_000)
        self.assertLess(usage.ru_maxrss * 1024, BYTES_MAX)
        self.assertLess(seconds, CPU_SECONDS_MAX)


if __name__ == "__main__":
    unittest.main()
