"""The service unit and the operator's guide: the unit is valid and well confined, the guide's defaults are the program's."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["WEIR_TEST_SOURCE"])
BINARY = os.environ["WEIR_TEST_BINARY"]
UNIT = SOURCE / "packaging/systemd/weir.service"
EXPOSURE_MOST = 1.4  # of 10; what systemd calls OK ends at 4.9


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


class UnitTest(unittest.TestCase):
    def test_exposure_is_low(self):
        if shutil.which("systemd-analyze") is None:
            print("SKIPPED: systemd-analyze is not here", flush=True)
            self.skipTest("systemd-analyze is not here")
        said = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT))
        score = re.search(r"Overall exposure level for weir.service: ([0-9.]+)", said.stdout)
        self.assertIsNotNone(score, said.stdout + said.stderr)
        self.assertLessEqual(float(score.group(1)), EXPOSURE_MOST, said.stdout)

    def test_no_key_is_misspelt(self):
        if shutil.which("systemd-analyze") is None:
            print("SKIPPED: systemd-analyze is not here", flush=True)
            self.skipTest("systemd-analyze is not here")
        said = run("systemd-analyze", "verify", "--man=no", str(UNIT))
        ours = [line for line in said.stderr.splitlines() if "weir.service" in line and "not executable" not in line]
        self.assertEqual(ours, [])

    def test_stopping_may_take_longer_than_draining(self):
        stop = int(re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE).group(1))
        drain = settings()["drain_seconds"]["value"]
        self.assertGreater(stop, drain + 5)


def settings():
    shown = run(BINARY, "config", "show", "--json", env={"HOME": "/nonexistent"})
    return json.loads(shown.stdout)["settings"]


class GuideTest(unittest.TestCase):
    def test_limits_are_the_programs_own(self):
        text = (SOURCE / "docs/operations.md").read_text()
        rows = dict(re.findall(r"^\| `([a-z_]+)` \| `?([^|`]*)`? \|", text, re.MULTILINE))
        known = settings()
        self.assertGreaterEqual(len(rows), 10)
        for key, default in rows.items():
            self.assertIn(key, known)
            self.assertEqual(default, str(known[key]["value"]), key)


if __name__ == "__main__":
    unittest.main()
