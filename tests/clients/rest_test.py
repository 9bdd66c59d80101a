"""The REST surface as outsiders see it: the OpenAPI document under a validator, and every path under schemathesis."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

import openapi_spec_validator

import daemon

HERE = pathlib.Path(__file__).parent
EXAMPLES = 12
# Every check but the one that each request which fits the schema is accepted: a body may fit and still ask for what is not
# there (a layout of two contexts where there is one, a smaller vector than the model has), which is a 400 with its reason.
LEFT_OUT = "positive_data_acceptance"


def seed_data(running):
    """Something under the names that schemathesis_hooks.py uses."""
    rules = " ".join(f"Rule {n}: the {n}th rule of the house is kept by everybody." for n in range(40))
    for agent in ("planner", "critic", "coder"):
        status, _, body = running.request("POST", "/v1/contexts", {"agent": agent, "text": f"{rules} You are the {agent}."})
        assert status == 201, body
    status, _, body = running.request("POST", "/v1/workflows", {"name": "review", "steps": [{"agent": "planner"}, {
        "agent": "critic", "depends_on": ["planner"]}]})
    assert status == 201, body
    (running.roots / "notes.md").write_text("# Notes\n\nNothing to see.\n")


class RestTest(unittest.TestCase):
    def test_document_is_openapi(self):
        with daemon.Daemon() as running:
            status, headers, body = running.get("/openapi.json")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/json")
        document = json.loads(body)
        self.assertTrue(document["openapi"].startswith("3.1"))
        openapi_spec_validator.validate(document)
        document["paths"]["/v1/match"]["post"]["responses"] = 7  # the validator can say no
        with self.assertRaises(Exception):
            openapi_spec_validator.validate(document)

    def test_schemathesis_finds_nothing(self):
        seed = int(os.environ.get("WEIR_TEST_SEED", random.randrange(1 << 31)))
        with daemon.Daemon("--tokenizer", "qwen3") as running, tempfile.TemporaryDirectory() as folder:
            seed_data(running)
            output = self.run_schemathesis(running, folder, seed)
            log = running.log.read_text()
        self.assertNotIn("check failed", log)
        self.assertNotIn("Sanitizer", log)
        counts = re.search(r"(\d+) generated", output)
        tested = re.search(r"Tested: (\d+)", output)
        self.assertIsNotNone(counts, output)
        print(f"schemathesis: {tested[1]} operations, {counts[1]} requests, seed {seed}", file=sys.stderr)
        self.assertGreater(int(counts[1]), 500)

    def run_schemathesis(self, running, folder, seed):
        command = [pathlib.Path(sys.executable).parent / "schemathesis", "run", running.url + "/openapi.json",
                   "--max-examples", str(EXAMPLES), "--seed", str(seed), "--phases", "examples,coverage,fuzzing,stateful",
                   "--exclude-checks", LEFT_OUT, "--no-color", "--generation-database", "none", "--request-timeout", "30",
                   "--workers", "1", "--warnings", "off"]
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8", "PYTHONPATH": str(HERE),
                       "SCHEMATHESIS_HOOKS": "schemathesis_hooks"}
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, f"seed {seed}\n{done.stdout}{done.stderr}")
        return done.stdout


if __name__ == "__main__":
    unittest.main()
