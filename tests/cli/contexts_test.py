"""weir contexts, and share, explain and layout on a registry's data folder."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from support import BINARY, CommandTest, SANITIZED, SHARED_TEXT, request

SYSTEM = "--- system\n" + SHARED_TEXT + "\n"


class ContextsTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("prompts/planner.txt", SYSTEM + "--- role\nPlan the work.\n")
        self.write("prompts/critic.txt", SYSTEM + "--- role\nFind what is wrong.\n")
        self.write("prompts/team/writer.txt", SYSTEM.replace("Rule 3", "Rule III") + "--- role\nWrite.\n")
        self.environment["WEIR_DATA"] = "registry"

    def contexts(self, *arguments, **extra):
        return self.json("contexts", *arguments, **extra)

    def add(self, *arguments, **extra):
        return self.contexts("add", *(arguments or ("prompts",)), "--tokenizer", "small", **extra)

    def names(self):
        return [line["agent"] for line in self.contexts("list")["contexts"]]


class Changes(ContextsTest):
    def test_add_says_what_each_shares_and_where_it_leaves_its_group(self):
        answer = self.add()
        self.assertEqual((answer["data"], answer["refused"], answer["problems"]), ("registry", [], []))
        critic, planner, writer = answer["registered"]
        self.assertEqual([one["agent"] for one in answer["registered"]], ["critic", "planner", "team/writer"])
        self.assertEqual((critic["shared_blocks"], critic["shared_with"], critic["revision"]), (0, None, 1))
        self.assertEqual(planner["shared_with"], "critic")
        system = self.json("tokenize", "--tokenizer", "small", stdin=SHARED_TEXT + "\n")["tokens"]
        self.assertEqual(planner["shared_blocks"], system // 16)
        self.assertEqual(planner["system"], {"has_system": True, "identical": True, "members": 2, "same": 2,
                                             "divergence": None})
        divergence = writer["system"]["divergence"]
        self.assertEqual(divergence["byte"], SHARED_TEXT.index("Rule 3") + 5)
        self.assertEqual(divergence["block"], divergence["token"] // 16)
        self.assertGreater(divergence["lost_tokens"], 0)

    def test_what_is_added_is_there_in_the_next_process(self):
        self.add()
        self.assertEqual(self.names(), ["critic", "planner", "team/writer"])
        self.assertEqual(self.good("contexts", "show", "planner", "--text").out, SHARED_TEXT + "\nPlan the work.\n")
        shown = self.contexts("show", "planner")
        self.assertNotIn("text", shown)
        self.assertNotIn("Rule", json.dumps(shown))
        self.assertEqual([segment["name"] for segment in shown["segments"]], ["system", "role"])
        self.assertEqual(self.contexts("show", "planner", "--text")["text"], SHARED_TEXT + "\nPlan the work.\n")

    def test_an_agent_that_is_there_is_refused_or_replaced(self):
        self.add()
        self.fails(65, "contexts", "add", "prompts", says=["'critic' has a context already", "--replace"])
        self.write("prompts/new.txt", "A new one.")
        done = self.weir("contexts", "add", "prompts", "--json")
        self.assertEqual(done.code, 3)
        answer = json.loads(done.out)
        self.assertEqual([one["agent"] for one in answer["registered"]], ["new"])
        self.assertEqual([one["agent"] for one in answer["refused"]], ["critic", "planner", "team/writer"])
        self.assertEqual({one["error"]["code"] for one in answer["refused"]}, {"already_exists"})
        again = self.add("prompts", "--replace")
        self.assertEqual({one["revision"] for one in again["registered"]}, {2})
        # The same text again: next to nothing of it is encoded anew.
        self.assertLess(sum(one["tokens_encoded"] for one in again["registered"]),
                        sum(one["tokens"] for one in again["registered"]) / 10)

    def test_append(self):
        self.add()
        before = self.contexts("show", "planner")
        grown = self.contexts("append", "planner", "-", "--kind", "user", stdin="And now?")
        self.assertEqual(grown["revision"], 2)
        self.assertGreater(grown["tokens"], before["tokens"])
        self.assertLess(grown["tokens_encoded"], 20)
        last = self.contexts("show", "planner")["segments"][-1]
        self.assertEqual((last["name"], last["kind"]), ("user", "user"))
        self.fails(64, "contexts", "append", "planer", "-", stdin="x", says="did you mean 'planner'?")
        self.fails(65, "contexts", "append", "planner", "-", stdin="", says="nothing to append")
        self.fails(65, "contexts", "append", "planner", "-", stdin=b"\xff", says="not UTF-8")
        self.assertEqual(self.contexts("show", "planner")["revision"], 2)

    def test_remove_and_clear(self):
        self.add()
        self.fails(64, "contexts", "remove", "critic", "nobody", says="no agent 'nobody'")
        self.assertEqual(len(self.names()), 3)
        self.assertEqual(self.contexts("remove", "critic", "critic"), {"removed": ["critic"], "left": 2})
        match = self.contexts("match", "prompts/critic.txt")
        self.assertNotIn("critic", [result["agent"] for result in match["results"]])
        self.fails(64, "contexts", "clear", says="--all")
        self.fails(64, "contexts", "clear", "--all", "--group", "default", says="--all")
        self.assertEqual(self.contexts("clear", "--group", "other"), {"removed": 0, "left": 2})
        self.assertEqual(self.contexts("clear", "--all"), {"removed": 2, "left": 0})
        self.fails(66, "share", says="holds no contexts")

    def test_terms(self):
        self.add("prompts/critic.txt", "--group", "g", "--role", "critic", "--ttl", "7d", "--pinned", "--model", "m", "--salt",
                 "secret")
        line = self.contexts("list", "--group", "g")["contexts"][0]
        self.assertEqual((line["role"], line["model"], line["pinned"], line["dense"], line["salted"]),
                         ("critic", "m", True, True, True))
        self.assertEqual(line["expires_ms"] - line["updated_ms"], 7 * 86_400_000)
        self.assertEqual(self.contexts("list", "--group", "other")["contexts"], [])
        self.assertNotIn("secret", self.good("contexts", "list").out)
        for ttl in ("5", "0s", "-1m", "1y", "", "99999999999d"):
            if ttl:
                self.fails(64, "contexts", "add", "prompts", "--ttl", ttl, says="90s, 30m, 12h or 7d")

    def test_what_has_expired_is_gone(self):
        self.add("prompts/critic.txt", "--ttl", "1s")
        self.add("prompts/planner.txt")
        deadline = time.monotonic() + 60
        while "critic" in self.names() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.names(), ["planner"])
        self.assertEqual([one["agent"] for one in self.add("prompts/critic.txt")["registered"]], ["critic"])

    def test_requests(self):
        calls = [request("planner", SHARED_TEXT, "plan"), request("critic", SHARED_TEXT, "judge"),
                 request("planner", SHARED_TEXT, "plan again")]
        self.write("calls.jsonl", "".join(json.dumps(call) + "\n" for call in calls))
        self.add("calls.jsonl")
        self.assertEqual(self.names(), ["critic", "planner"])
        self.assertIn("plan again", self.good("contexts", "show", "planner", "--text").out)
        self.write("next.json", json.dumps(request("planner", SHARED_TEXT, "plan once more")))
        match = self.contexts("match", "next.json")
        self.assertGreater(match["tokens_saved"], 0)
        self.fails(64, "contexts", "match", "calls.jsonl", says="2 prompts")


class Questions(ContextsTest):
    def test_match_keeps_kinds_apart(self):
        self.add()
        self.write("new.txt", "Something else goes first. " + SHARED_TEXT)
        match = self.contexts("match", "new.txt")
        self.assertEqual((match["target"], match["tokens_saved"], match["compared"]), (None, 0, 3))
        best = match["results"][0]
        self.assertEqual((best["exact"]["blocks"], best["exact"]["last_key"], best["tokens_saved"]), (0, None, 0))
        self.assertGreater(best["moved"]["tokens"], 100)
        self.assertIsNone(best["similarity"])
        same = self.contexts("match", "prompts/critic.txt")
        self.assertEqual(same["results"][0]["agent"], "critic")
        self.assertEqual(same["tokens_saved"], same["target_blocks"] * 16)
        self.assertEqual(self.contexts("match", "prompts/critic.txt", "--salt", "other")["results"], [])

    def test_shared(self):
        self.add()
        report = self.contexts("shared", "--target", "planner")
        self.assertEqual([result["agent"] for result in report["results"]], ["critic", "team/writer"])
        pair = self.contexts("shared", "planner", "critic")
        self.assertEqual(pair["results"][0]["exact"], report["results"][0]["exact"])
        pairs = {(one["a"], one["b"]): one for one in self.json("share")["pairs"]}
        self.assertEqual(pairs[("critic", "planner")]["prefix_tokens"], pair["results"][0]["exact"]["tokens"])
        self.assertEqual(pairs[("critic", "planner")]["prefix_blocks"], pair["results"][0]["exact"]["blocks"])
        self.fails(64, "contexts", "shared", "planner", says="--target")
        self.fails(64, "contexts", "shared", "planner", "critc", says="did you mean 'critic'?")
        self.fails(64, "contexts", "shared", "--target", "critc", says="did you mean 'critic'?")

    def test_dense_agents_get_exact_results_alone(self):
        self.add("prompts/critic.txt", "--role", "critic")
        self.add("prompts/planner.txt")
        result = self.contexts("shared", "planner", "critic")["results"][0]
        self.assertGreater(result["exact"]["blocks"], 0)
        self.assertIsNone(result["moved"])
        self.assertIsNone(result["near"])
        line = [line for line in self.good("contexts", "shared", "planner", "critic").out.splitlines() if "critic" in line][-1]
        self.assertEqual(line.split()[3:], ["-", "-", "-"])

    def test_similar(self):
        self.add()
        found = self.contexts("similar", "prompts/critic.txt")
        self.assertEqual((found["results"][0]["agent"], found["results"][0]["similarity"]), ("critic", 1))
        self.assertEqual(len(self.contexts("similar", "prompts/critic.txt", "--threshold", "0", "--k", "1")["results"]), 1)
        self.write("other.txt", "Nothing of the kind, in no way and at no time whatever it may be called.")
        self.assertIn("lower --threshold", self.good("contexts", "similar", "other.txt").err)
        for bad in ("2", "-0.5", "x", "0.5x", "nan"):
            self.fails(64, "contexts", "similar", "other.txt", f"--threshold={bad}", says="a number from 0 to 1")
        self.fails(64, "contexts", "similar", "other.txt", "--k", "0", says="1 to 10000")

    def test_stats_and_drawings(self):
        self.add()
        stats = self.contexts("stats")
        self.assertEqual((stats["contexts"], stats["groups"], stats["spaces"], stats["set_aside"]), (3, 1, 1, 0))
        self.assertEqual(stats["tokens"], sum(line["tokens"] for line in self.contexts("list")["contexts"]))
        self.assertGreater(stats["index_bytes"]["blocks"], 0)
        for arguments, says in ((("list",), "team/writer"), (("stats",), "set aside"), (("show", "planner"), "role"),
                                (("match", "prompts/critic.txt"), "moved tokens"),
                                (("shared", "--target", "critic"), "near blocks"),
                                (("similar", "prompts/critic.txt"), "similarity")):
            out = self.good("contexts", *arguments).out
            self.assertIn(says, out)
            self.assertTrue(all(len(line) <= 100 for line in out.splitlines()), out)


class Advice(ContextsTest):
    """share, explain and layout say of a data folder what they say of the files that went into it."""

    def same(self, *arguments):
        of_files = self.json(arguments[0], "prompts", *arguments[1:], "--tokenizer", "small", environment={"WEIR_DATA": ""})
        of_folder = self.json(*arguments)
        self.assertEqual((of_files.pop("data"), of_folder.pop("data")), (None, "registry"))
        of_files["tokenizer"] = of_folder["tokenizer"] = "small"
        self.assertEqual(of_files, of_folder)

    def test_the_same_as_of_files(self):
        self.add()
        self.same("share")
        self.same("share", "--target", "critic")
        self.same("explain")
        self.same("explain", "--a", "critic", "--b", "team/writer")
        self.same("layout")
        self.assertEqual(self.json("share", "registry"), self.json("share", "--data", "registry"))

    def test_without_the_tokenizer(self):
        self.add()
        shutil.rmtree(self.folder / "cache")
        self.assertEqual(len(self.json("share")["pairs"]), 3)
        explained = self.good("explain", "--a", "critic", "--b", "team/writer")
        self.assertIn("Rule", explained.out)
        self.assertIn("not measured", explained.err)
        self.fails(66, "layout", says=["the tokenizer 'small' that registry was made with is not here", "--tokenizer"])
        self.assertEqual(self.contexts("remove", "critic")["left"], 2)
        self.fails(66, "contexts", "match", "prompts/critic.txt", says="is not here")

    def test_files_or_a_folder(self):
        self.add()
        self.fails(64, "share", "prompts", "--data", "registry", says="both PATH and --data")
        self.fails(64, "share", "prompts", "registry", "--tokenizer", "small", says="give it alone")
        self.fails(64, "share", "prompts", "--tokenizer", "small", "--group", "g", says="data folder")
        self.fails(64, "share", environment={"WEIR_DATA": ""}, says=["no prompts given", "--data DIR"])
        self.fails(64, "share", "--block-size", "32", says="blocks of 16 tokens, not 32")
        self.fails(66, "share", "--group", "nobody", says="no context of that group")
        self.assertEqual(len(self.json("share", "prompts", "--tokenizer", "small")["agents"]), 3)  # despite WEIR_DATA

    def test_spaces_stay_apart(self):
        self.add("prompts/critic.txt", "prompts/planner.txt")
        self.add("prompts/team", "--salt", "tenant")
        report = self.json("share")
        self.assertEqual([agent["agent"] for agent in report["agents"]], ["critic", "planner"])
        self.assertEqual(report["other_space"], 1)
        self.fails(65, "share", "--salt", "tenant", says="only one agent: writer")
        self.assertEqual(self.contexts("shared", "critic", "writer")["other_space"], 1)
        self.contexts("clear", "--all")
        self.add("prompts/critic.txt", "--salt", "a")
        self.add("prompts/planner.txt", "--salt", "b")
        self.fails(64, "share", says="several spaces")


class Folders(ContextsTest):
    def test_named_nowhere_absent_or_foreign(self):
        self.fails(64, "contexts", "list", environment={"WEIR_DATA": ""}, says=["no data folder given", "--data DIR"])
        for action in (["list"], ["stats"], ["remove", "x"], ["show", "x"], ["match", "prompts/critic.txt"], ["append", "x", "-"]):
            self.fails(66, "contexts", *action, says=["no data folder registry", "weir contexts add"])
        self.assertFalse((self.folder / "registry").exists())
        self.fails(65, "contexts", "add", "prompts", "--tokenizer", "small", "--data", "prompts", says="it holds other things")
        self.fails(64, "contexts", "add", "prompts", says="no tokenizer given")
        self.fails(66, "contexts", "add", "nothing", "--tokenizer", "small", says="nothing")
        self.assertFalse((self.folder / "registry").exists())
        self.assertEqual(self.files(), ["prompts/critic.txt", "prompts/planner.txt", "prompts/team/writer.txt"])

    def test_other_settings(self):
        self.add()
        other = json.loads((self.folder / "cache/tokenizers/small/tokenizer.json").read_text())
        other["added_tokens"][0]["content"] = "<|other|>"
        self.write("other/tokenizer.json", json.dumps(other))
        self.fails(65, "contexts", "add", "prompts", "--replace", "--tokenizer", "other",
                   says=["made with the tokenizer 'small'", "leave --tokenizer out"])
        self.fails(65, "layout", "--tokenizer", "other", says="made with the tokenizer 'small'")
        self.fails(65, "contexts", "add", "prompts", "--replace", "--block-size", "32", says="blocks of 16 tokens, not 32")
        shutil.copy(self.folder / "other/tokenizer.json", self.folder / "cache/tokenizers/small/tokenizer.json")
        self.fails(65, "contexts", "match", "prompts/critic.txt", says="is not the one any more")
        self.assertEqual({line["revision"] for line in self.contexts("list")["contexts"]}, {1})

    def test_newer_and_damaged_settings(self):
        self.add()
        file = self.folder / "registry/registry.json"
        good = file.read_text()
        for text, says in ((good.replace('"weir_registry": 1', '"weir_registry": 2'), "format 2, newer than 1"),
                           (good[:20], "registry.json"), (good.replace('"block_size": 16', '"block_size": "x"'), "block_size")):
            file.write_text(text)
            self.fails(65, "contexts", "list", says=says)
            self.fails(65, "contexts", "add", "prompts", "--replace", "--tokenizer", "small", says=says)
        file.unlink()
        self.fails(65, "contexts", "add", "prompts", "--tokenizer", "small", says="holds contexts but no registry.json")
        file.write_text(good)
        self.assertEqual(len(self.names()), 3)

    def test_in_use_by_another_process(self):
        self.add()
        with open(self.folder / "registry/contexts/lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for action in (["add", "prompts", "--replace"], ["remove", "critic"], ["append", "critic", "-"], ["clear", "--all"]):
                self.fails(73, "contexts", *action, stdin="x", says=["locked by another process", "try again"])
            self.assertEqual(len(self.names()), 3)
            self.assertGreater(self.contexts("match", "prompts/critic.txt")["tokens_saved"], 0)
            self.assertEqual(len(self.json("share")["agents"]), 3)

    def test_may_only_be_read(self):
        self.add()
        nobody = self.without_privileges()
        for path in (self.folder / "registry").rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (self.folder / "registry").chmod(0o555)
        self.assertEqual(len(self.contexts("list", **nobody)["contexts"]), 3)
        self.fails(73, "contexts", "remove", "critic", says="ermission denied", **nobody)
        (self.folder / "registry").chmod(0o755)
        self.assertEqual(len(self.names()), 3)

    def test_a_corrupt_record_is_set_aside(self):
        for n in range(20):
            self.write(f"many/agent{n}.txt", f"Agent number {n}. " + " ".join(f"word{n}x{i}" for i in range(200)))
        self.add("many")
        self.names()
        damaged = 0
        for file in sorted((self.folder / "registry/contexts/db").iterdir()):
            data = file.read_bytes()
            at = data.find(b"word7x100")
            if at >= 0:
                file.write_bytes(data[:at] + b"W" + data[at + 1:])
                damaged += 1
        self.assertGreater(damaged, 0, "the text is nowhere to be found: compressed?")
        done = self.weir("contexts", "list", "--json")
        self.assertIn(done.code, (0, 3, 65), done.err)
        if done.code != 65:
            self.assertNotIn("agent7", [line["agent"] for line in json.loads(done.out)["contexts"]])
        # Changing repairs; what was intact stays.
        repaired = self.weir("contexts", "remove", "agent3")
        self.assertEqual(repaired.code, 0, repaired.err)
        left = set(self.names())
        self.assertNotIn("agent7", left)
        self.assertGreater(len(left), 0)
        self.assertGreater(self.contexts("stats")["set_aside"] + self.contexts("stats")["missing"], 0)
        self.assertEqual([one["agent"] for one in self.add("many/agent7.txt")["registered"]], ["agent7"])

    @unittest.skipIf(SANITIZED, "timing")
    def test_killed_while_adding(self):
        count = 300
        for n in range(count):
            self.write(f"many/agent{n:03}.txt", SHARED_TEXT + f"\nYou are number {n}.")
        command = [BINARY, "contexts", "add", "many", "--tokenizer", "small"]
        begin = time.monotonic()
        self.contexts("add", "many", "--tokenizer", "small", "--data", "whole")
        whole = time.monotonic() - begin
        partial = 0
        for step in range(1, 8):
            delay = whole * step / 8
            folder = self.folder / f"killed{step}"
            process = subprocess.Popen([*command, "--data", str(folder)], cwd=self.folder, env=self.environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            answer = self.contexts("add", "many", "--replace", "--tokenizer", "small", "--data", str(folder))
            again = [one for one in answer["registered"] if one["revision"] > 1]
            partial += 0 < len(again) < count
            self.assertEqual(len(self.contexts("list", "--data", str(folder))["contexts"]), count)
            self.good("ledger", "verify", folder / "ledger.jsonl")
        print(f"{partial} of 7 kills came in the middle")


class Usage(ContextsTest):
    def test_flags_and_arguments_of_other_actions_are_refused(self):
        for arguments, says in ((["list", "x"], "'list' takes no argument"), (["show"], "'show' takes AGENT"),
                                (["append", "x"], "'append' takes AGENT FILE"), (["match"], "'match' takes one FILE"),
                                (["list", "--ttl", "5m"], "--ttl does not go with 'list'"),
                                (["remove", "x", "--tokenizer", "small"], "--tokenizer does not go with 'remove'"),
                                (["match", "x", "--block-size", "16"], "--block-size does not go with 'match'"),
                                (["ad", "x"], "did you mean 'add'?"), ([], "ACTION is required"),
                                (["append", "a", "-", "--kind", "x"], "no such value 'x'")):
            self.fails(64, "contexts", *arguments, says=says)

    def test_errors_as_json(self):
        self.add()
        done = self.fails(64, "contexts", "show", "planer", "--json")
        self.assertEqual(json.loads(done.err)["error"]["hint"], "did you mean 'planner'?")

    def test_one_prompt_that_is_broken_is_left_out(self):
        self.write("prompts/broken.txt", b"\xff\xfe\xfd text")
        done = self.weir("contexts", "add", "prompts", "--tokenizer", "small", "--json")
        self.assertEqual(done.code, 3)
        answer = json.loads(done.out)
        self.assertEqual((len(answer["registered"]), len(answer["problems"])), (3, 1))
        self.assertEqual(len(self.add("prompts", "--replace", "--lossy")["registered"]), 4)


if __name__ == "__main__":
    unittest.main()
