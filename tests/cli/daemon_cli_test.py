"""Commands beside a running daemon: the same answers, errors and exit codes as without one."""
import json
import os
import re
import pathlib
import signal
import socket
import stat
import subprocess
import unittest

from support import BINARY, CommandTest, SHARED_TEXT

SYSTEM = "--- system\n" + SHARED_TEXT + "\n"


class DaemonTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("prompts/planner.txt", SYSTEM + "--- role\nPlan the work.\n")
        self.write("prompts/critic.txt", SYSTEM + "--- role\nFind what is wrong.\n")
        self.write("prompts/team/writer.txt", SYSTEM.replace("Rule 3", "Rule III") + "--- role\nWrite: naïve 日本.\n")
        self.environment["XDG_RUNTIME_DIR"] = str(self.folder)

    def serve(self, data, *arguments, environment=None):
        """A daemon on this folder, once it is ready; ended with the test."""
        log = open(self.folder / "serve.log", "ab")
        self.addCleanup(log.close)
        daemon = subprocess.Popen([BINARY, "serve", "--data", data, "--tokenizer", "small", "--listen", "127.0.0.1:0",
                                   *arguments, "--json"], stdout=subprocess.PIPE, stderr=log, cwd=self.folder,
                                  env={**self.environment, **self.notified(), **(environment or {})})

        def end():
            daemon.stdout.close()
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(60), 0)

        self.addCleanup(end)
        told = json.loads(daemon.stdout.readline())
        while "READY=1" not in self.notices.recv(4096).decode():
            pass
        return daemon, told

    def notified(self):
        """Where a daemon says that it is ready."""
        if not hasattr(self, "notices"):
            self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(self.notices.close)
            self.notices.settimeout(60)
            self.notices.bind(str(self.folder / "notices"))
        return {"NOTIFY_SOCKET": str(self.folder / "notices")}


def steady(answer):
    """Without what two runs never have alike: times, and the folder's name."""
    if isinstance(answer, dict):
        return {name: steady(value) for name, value in answer.items() if name != "data" and not name.endswith("_ms")}
    return [steady(one) for one in answer] if isinstance(answer, list) else answer


class Contexts(DaemonTest):
    # Each step: arguments and standard input. The order matters.
    STEPS = [
        (("add", "prompts", "--tokenizer", "small"), ""),
        (("add", "prompts", "--tokenizer", "small"), ""),  # all there: refused
        (("add", "prompts", "--tokenizer", "small", "--replace", "--group", "crew", "--role", "judge", "--ttl", "7d"), ""),
        (("add", "more", "--pinned", "--model", "m", "--lora", "l", "--salt", "s"), ""),
        (("add", "mixed"), ""),  # one of two is there
        (("add", "more", "--replace", "--block-size", "32"), ""),
        (("list",), ""),
        (("append", "planner", "-", "--kind", "user"), "And now?"),
        (("append", "planner", "-"), "naïve"),
        (("append", "planner", "-"), ""),
        (("append", "planner", "-"), b"\xff"),
        (("append", "planer", "-"), "x"),
        (("show", "planner", "--text"), ""),
        (("show", "team/writer"), ""),
        (("match", "prompts/planner.txt"), ""),
        (("shared", "--target", "planner"), ""),
        (("similar", "prompts/critic.txt", "--by", "blocks"), ""),
        (("remove", "critic", "plannr"), ""),  # a mistyped one removes nothing
        (("remove", "critic", "critic"), ""),
        (("remove", "critic"), ""),
        (("list",), ""),
        (("clear",), ""),
        (("clear", "--group", "crew"), ""),
        (("clear", "--all"), ""),
        (("clear", "--all"), ""),
        (("stats",), ""),
    ]

    def setUp(self):
        super().setUp()
        self.write("more/new.txt", "A new one, of no system prompt. " * 20)
        self.write("more/Ünï %2F.txt", "A name that a path must carry. " * 20)
        self.write("mixed/planner.txt", "Here already.")
        self.write("mixed/other.txt", "Not here yet.")

    def walk(self, data, style):
        answers = []
        for arguments, stdin in self.STEPS:
            done = self.weir("contexts", *arguments, "--data", data, *style, stdin=stdin)
            out = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "THEN", done.out.replace(data, "DATA"))
            answers.append((arguments, done.code, steady(json.loads(out)) if style and out else out,
                            done.err.replace(data, "DATA")))
        return answers

    def compare(self, style):
        without = self.walk("folder-1", style)
        self.serve("folder-2")
        for alone, served in zip(without, self.walk("folder-2", style)):
            if alone[0][0] == "stats":  # sizes on disk
                alone, served = alone[:2], served[:2]
            self.assertEqual(served, alone)

    def test_same_json_with_and_without(self):
        self.compare(["--json"])

    def test_same_text_with_and_without(self):
        self.compare([])

    def test_a_socket_that_a_killed_daemon_left_is_no_daemon(self):
        daemon, _ = self.serve("killed")
        daemon.kill()
        daemon.wait()
        self.assertTrue(stat.S_ISSOCK(os.stat(self.folder / "killed/weir.sock").st_mode))
        answer = self.json("contexts", "add", "prompts", "--data", "killed")
        self.assertEqual(len(answer["registered"]), 3)

    def test_another_folder_is_not_that_daemons(self):
        self.serve("served", environment={"WEIR_SOCKET": str(self.folder / "elsewhere.sock")})
        self.good("contexts", "add", "prompts", "--data", "other", "--tokenizer", "small",
                  environment={"WEIR_SOCKET": str(self.folder / "elsewhere.sock")})
        self.assertEqual(len(self.json("contexts", "list", "--data", "other")["contexts"]), 3)
        self.fails(73, "contexts", "clear", "--all", "--data", "served", says="is locked by another process")
        through = {"WEIR_SOCKET": str(self.folder / "elsewhere.sock"), "WEIR_DATA": "served"}
        self.assertEqual(self.json("contexts", "clear", "--all", environment=through), {"removed": 0, "left": 0})

    def test_vectors_are_the_daemons_business(self):
        self.serve("served")
        self.fails(64, "contexts", "add", "prompts", "--without-vectors", "--data", "served", says="a daemon has the folder")


class Pools(DaemonTest):
    def test_pools_and_pressure_see_the_daemon(self):
        daemon, _ = self.serve("served")
        answer = self.json("pools", "--pid", daemon.pid)
        self.assertEqual((answer["pid"], answer["process"]), (daemon.pid, "weir serve"))
        self.assertTrue(answer["pools"])
        self.good("pressure", "--pid", daemon.pid)


if __name__ == "__main__":
    unittest.main()
