"""pools, pressure, top: against a process with pools, and without one."""
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
import unittest

from support import BINARY, CommandTest

PROCESS = os.environ["WEIR_TEST_POOL_PROCESS"]
MIB = 1 << 20


class PoolsTest(CommandTest):
    """A runtime folder of its own: what runs on this machine besides is not seen."""

    def setUp(self):
        super().setUp()
        self.runtime = self.folder / "run"
        self.runtime.mkdir(mode=0o700)
        self.environment["XDG_RUNTIME_DIR"] = str(self.runtime)
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            self.end(process)
        super().tearDown()

    def start(self):
        process = subprocess.Popen([PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment)
        process.socket = process.stdout.readline().decode().strip()
        self.assertTrue(process.socket.endswith(f"/{process.pid}.sock"), process.socket)
        self.processes.append(process)
        return process

    def end(self, process):
        if process.stdin.closed:
            return
        process.stdin.close()
        self.assertEqual(process.wait(timeout=60), 0)
        process.stdout.close()


class Alone(PoolsTest):
    def test_says_what_to_start(self):
        for command in (("pools",), ("pressure",), ("pressure", "plan"), ("top",), ("top", "--json"), ("pools", "--pid", "1")):
            self.fails(66, *command, says=["no process with pools is running", "weir demo"])
        error = json.loads(self.fails(66, "pools", "--json").err)["error"]
        self.assertEqual(error["code"], "not_found")
        self.fails(66, "pools", "--socket", "absent.sock", says="there is no socket")

    def test_usage(self):
        self.fails(64, "pressure", "squeeze", says="squeeze")
        self.fails(64, "pressure", "--bytes", "1M", says="plan")
        self.fails(64, "pressure", "relieve", "--bytes", "much", says="much")
        self.fails(64, "top", "--interval", "0", says="--interval")
        self.fails(64, "pools", "--pid", "x", says="no whole number")

    def test_sockets_of_dead_processes_are_removed(self):
        (self.runtime / "weir").mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.runtime / "weir/999.sock"))
        self.fails(66, "pools")
        self.assertFalse((self.runtime / "weir/999.sock").exists())

    def test_answers_that_are_no_answers(self):
        path = self.folder / "liar.sock"
        for answer in (b"", b"not json\n", b"[]\n", b'{"error":"x"}\n', b"{}\n", b'{"pools":7,"pid":"x","devices":[1]}\n'):
            with socket.socket(socket.AF_UNIX) as liar:
                liar.bind(str(path))
                liar.listen()
                command = subprocess.Popen([BINARY, "pools", "--socket", str(path)], env=self.environment,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                peer, _ = liar.accept()
                peer.recv(4096)
                peer.sendall(answer)
                peer.close()
                out, err = command.communicate(timeout=60)
                self.assertIn(command.returncode, (0, 65, 66, 70), err)
                self.assertTrue(out if command.returncode == 0 else err)
            path.unlink()


class Running(PoolsTest):
    def test_pools(self):
        process = self.start()
        snapshot = self.json("pools")
        self.assertEqual(snapshot["pid"], process.pid)
        self.assertEqual(snapshot["process"], "weir test")
        pools = {pool["name"]: pool for pool in snapshot["pools"]}
        self.assertEqual(set(pools), {"cheap", "dear"})
        self.assertEqual(snapshot["used_bytes"], sum(pool["used_bytes"] for pool in pools.values()))
        self.assertEqual(pools["dear"]["guaranteed_bytes"], 12 * MIB)
        self.assertEqual((pools["cheap"]["hits"], pools["cheap"]["misses"]), (4096, 904))
        self.assertGreater(pools["dear"]["price_us_per_byte"], pools["cheap"]["price_us_per_byte"])
        self.assertEqual(self.json("pools", "--pid", process.pid)["pid"], process.pid)
        self.assertEqual(self.json("pools", "--socket", process.socket)["pid"], process.pid)
        out = self.good("pools").out
        for text in ("weir test", "cheap", "dear", "12.0 MiB", "4,096"):
            self.assertIn(text, out)

    def test_which_of_several(self):
        first, second = self.start(), self.start()
        self.fails(65, "pools", says=["2 processes", f"{first.pid} (weir test)", str(second.pid)])
        self.assertEqual(self.json("pools", "--pid", second.pid)["pid"], second.pid)
        self.fails(66, "pools", "--pid", "1", says=["process 1 does not answer", str(first.pid)])
        self.end(first)
        self.assertEqual(self.json("pools")["pid"], second.pid)

    def test_plan_changes_nothing_and_relief_gives_back(self):
        self.start()
        before = self.json("pools")
        plan = self.json("pressure", "plan", "--bytes", "4M")
        self.assertEqual((plan["wanted_bytes"], plan["planned_bytes"], plan["short_bytes"]), (4 * MIB, 4 * MIB, 0))
        self.assertEqual(plan["steps"][0]["pool"], "cheap")
        self.assertEqual(self.json("pools")["used_bytes"], before["used_bytes"])
        self.assertIn("reclaim cheap: 4.0 MiB", self.good("pressure", "plan", "--bytes", "4M").out)

        relief = self.json("pressure", "relieve", "--bytes", "4M")
        self.assertGreaterEqual(relief["released_bytes"], 4 * MIB)
        after = self.json("pools")
        self.assertLessEqual(after["used_bytes"], before["used_bytes"] - 4 * MIB)
        pressure = self.json("pressure")
        self.assertEqual(pressure["last_relief"]["released_bytes"], relief["released_bytes"])
        self.assertEqual(pressure["grants"][0]["workflow"], "review")
        out = self.good("pressure").out
        for text in ("host", "review: 4.0 MiB of dear", "resident", "the last one:", "reclaim cheap"):
            self.assertIn(text, out)
        self.assertIn("released", self.good("pressure", "relieve", "--bytes", "1M").out)

    def test_more_than_there_is_keeps_what_is_guaranteed(self):
        self.start()
        relief = self.json("pressure", "relieve", "--bytes", "1G")
        self.assertGreater(relief["plan"]["short_bytes"], 0)
        self.assertIn("guaranteed", relief["plan"]["why_short"])
        dear = next(pool for pool in self.json("pools")["pools"] if pool["name"] == "dear")
        self.assertGreaterEqual(dear["used_bytes"], 10 * MIB)  # 12 MiB but for the granularity of extents

    def test_top(self):
        process = self.start()
        out = self.good("top").out  # no terminal: one look
        self.assertNotIn("\x1b", out)
        self.assertEqual(out.count("weir test"), 1)
        self.assertEqual(self.good("top", "--once").out.count("weir test"), 1)
        lines = self.good("top", "--json", "--count", "2", "--interval", "1").out.splitlines()
        self.assertEqual([json.loads(line)["pid"] for line in lines], [process.pid] * 2)

    def test_top_ends_with_the_process(self):
        process = self.start()
        command = subprocess.Popen([BINARY, "top", "--json"], env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.assertEqual(json.loads(command.stdout.readline())["pid"], process.pid)
        self.end(process)
        command.communicate(timeout=60)
        self.assertEqual(command.returncode, 0)

    def test_top_redraws_on_a_terminal(self):
        self.start()
        try:
            leader, follower = pty.openpty()
        except OSError as error:
            self.skipTest(f"this machine gives no terminal: {error}")
        command = subprocess.Popen([BINARY, "top"], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                                   env={**self.environment, "TERM": "xterm"})
        os.close(follower)
        output = b""
        deadline = time.monotonic() + 60
        while output.count(b"\x1b[H\x1b[J") < 2 and time.monotonic() < deadline:
            if select.select([leader], [], [], 1)[0]:
                output += os.read(leader, 65536)
        command.send_signal(signal.SIGINT)
        command.wait(timeout=60)
        os.close(leader)
        self.assertGreaterEqual(output.count(b"\x1b[H\x1b[J"), 2)
        self.assertIn(b"hits/s", output)


if __name__ == "__main__":
    unittest.main()
