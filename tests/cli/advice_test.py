"""share, explain, layout: JSON shapes, figures that can be checked by hand, and what people see."""
import json
import re
import unittest

from support import CHAT_TEMPLATE, CommandTest, SHARED_TEXT, request, tool


class AdviceTest(CommandTest):
    def write_folder(self):
        self.write("prompts/planner.txt", SHARED_TEXT + "\nPlan the work.")
        self.write("prompts/critic.txt", SHARED_TEXT + "\nFind what is wrong.")
        self.write("prompts/team/writer.txt", "Write well. " + SHARED_TEXT)

    def write_requests(self):
        tools = [tool("search"), tool("read"), tool("write")]
        calls = [request("planner", "Time: 2026-03-01 10:00:00\n" + SHARED_TEXT, "plan", tools),
                 request("critic", "Time: 2026-03-01 10:00:07\n" + SHARED_TEXT, "judge", tools),
                 request("planner", "Time: 2026-03-01 10:00:14\n" + SHARED_TEXT, "plan again", tools)]
        self.write("calls.jsonl", "".join(json.dumps(call) + "\n" for call in calls))


class Share(AdviceTest):
    def test_shape_and_figures(self):
        self.write_folder()
        report = self.json("share", "prompts", "--tokenizer", "small")
        self.assertEqual([agent["agent"] for agent in report["agents"]], ["critic", "planner", "team/writer"])
        for agent in report["agents"]:
            self.assertEqual(agent["blocks"], agent["tokens"] // 16)
        pairs = {(pair["a"], pair["b"]): pair for pair in report["pairs"]}
        self.assertEqual(len(pairs), 3)
        shared = self.json("tokenize", "--tokenizer", "small", stdin=SHARED_TEXT + "\n")["tokens"]
        pair = pairs[("critic", "planner")]
        self.assertEqual(pair["prefix_tokens"], shared)
        self.assertEqual(pair["prefix_blocks"], shared // 16)
        behind_prefix = report["agents"][0]["blocks"] - pair["prefix_blocks"]
        self.assertIn(pair["near_blocks"], range(behind_prefix + 1))
        moved = pairs[("critic", "team/writer")]
        self.assertEqual(moved["prefix_tokens"], 0)
        self.assertGreater(moved["span_tokens"], shared * 0.9)
        self.assertEqual(report["totals"]["reusable_tokens"], shared // 16 * 16)
        self.assertEqual(report["problems"], [])

    def test_near_blocks_are_those_that_are_alike_and_not_equal(self):
        words = [f"word{i % 50} " * 3 for i in range(100)]
        self.write("prompts/a.txt", "".join(words))
        self.write("prompts/b.txt", "".join(words))
        self.write("prompts/c.txt", "".join(word.upper() for word in reversed(words)))
        words[0::9] = ["changed " + word for word in words[0::9]]
        self.write("prompts/d.txt", "".join(words))
        report = self.json("share", "prompts", "--tokenizer", "small")
        near = {pair["a"] + pair["b"]: pair["near_blocks"] for pair in report["pairs"]}
        self.assertEqual(near["ab"], 0)
        self.assertEqual(near["ad"], near["bd"])
        self.assertEqual(near["ac"], 0)
        self.assertIsNone(report["near_note"])

    def test_block_size_and_target(self):
        self.write_folder()
        report = self.json("share", "prompts", "--tokenizer", "small", "--block-size", "32", "--target", "planner")
        self.assertEqual(report["block_size"], 32)
        self.assertEqual(len(report["pairs"]), 2)
        self.assertTrue(all("planner" in (pair["a"], pair["b"]) for pair in report["pairs"]))
        self.fails(64, "share", "prompts", "--tokenizer", "small", "--target", "plannner", says="did you mean 'planner'?")

    def test_requests_last_call_of_each_agent(self):
        self.write_requests()
        report = self.json("share", "calls.jsonl", "--tokenizer", "small")
        self.assertEqual([agent["agent"] for agent in report["agents"]], ["planner", "critic"])
        self.assertGreater(report["pairs"][0]["span_tokens"], 100)

    def test_chat_template_from_a_file(self):
        self.write_requests()
        self.write("t.jinja", CHAT_TEMPLATE)
        by_file = self.json("share", "calls.jsonl", "--tokenizer", "small", "--chat-template", "t.jinja")
        self.assertEqual(by_file["totals"], self.json("share", "calls.jsonl", "--tokenizer", "small")["totals"])

    def test_standard_input(self):
        self.write_requests()
        requests = (self.folder / "calls.jsonl").read_bytes()
        piped = self.json("share", "-", "--tokenizer", "small", stdin=requests)
        self.assertEqual(piped["totals"], self.json("share", "calls.jsonl", "--tokenizer", "small")["totals"])

    def test_drawing(self):
        self.write_folder()
        out = self.good("share", "prompts", "--tokenizer", "small").out
        for text in ("3 agents", "exact prefix", "moved spans", "Tokens in common", "Prefix tree", "team/writer"):
            self.assertIn(text, out)
        self.assertTrue(all(len(line) <= 100 for line in out.splitlines()))
        narrow = self.good("share", "prompts", "--tokenizer", "small", environment={"COLUMNS": "60"}).out
        self.assertLess(max(map(len, narrow.splitlines())), 80)

    def test_many_agents_are_summarised(self):
        for n in range(60):
            self.write(f"many/a{n:02}.txt", SHARED_TEXT + f"\nYou are number {n}.")
        out = self.good("share", "many", "--tokenizer", "small").out
        self.assertLess(len(out.splitlines()), 70)
        self.assertEqual(len(self.json("share", "many", "--tokenizer", "small")["pairs"]), 60 * 59 // 2)


class Page(AdviceTest):
    def page(self, *paths):
        done = self.good("share", *paths, "--tokenizer", "small", "--html", "page.html")
        self.assertIn("page.html", done.err)
        return (self.folder / "page.html").read_text()

    def data(self, page):
        return json.loads(re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.S).group(1))

    def test_self_contained_and_strict(self):
        self.write_folder()
        page = self.page("prompts")
        self.assertIn("Content-Security-Policy", page)
        self.assertIn("default-src 'none'", page)
        for pattern in (r'\ssrc\s*=', r'<link\b', r'@import', r'url\(', r'\sfetch\(', r'XMLHttpRequest', r'\son\w+\s*='):
            self.assertIsNone(re.search(pattern, page), pattern)
        addresses = set(re.findall(r'https?://[^"\'\s<]+', page))
        self.assertEqual(addresses, {"http://www.w3.org/2000/svg"})  # a name space, not an address that is read

    def test_text_is_escaped(self):
        evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
        self.write("evil/<b>x.txt", evil + SHARED_TEXT + "one")
        self.write("evil/y&z.txt", evil + SHARED_TEXT + "two")
        page = self.page("evil")
        self.assertEqual(page.count("<script"), 2)
        self.assertNotIn("<img", page)
        self.assertNotIn("<b>x", page)
        data = self.data(page)
        self.assertEqual({agent["name"] for agent in data["agents"]}, {"<b>x", "y&z"})
        self.assertTrue(data["nodes"][0]["head"].startswith("</script>"))

    def test_matrix_agrees_with_the_pairs(self):
        self.write_folder()
        data = self.data(self.page("prompts"))
        report = self.json("share", "prompts", "--tokenizer", "small")
        names = [agent["name"] for agent in data["agents"]]
        count = len(data["bins"])
        self.assertEqual(sorted(agent for bin in data["bins"] for agent in bin), list(range(len(names))))
        place = {names[bin[0]]: at for at, bin in enumerate(data["bins"])}
        for pair in report["pairs"]:
            cell = place[pair["a"]] * count + place[pair["b"]]
            self.assertEqual(data["prefix_tokens"][cell], pair["prefix_tokens"])
            self.assertEqual(data["span_tokens"][cell], pair["span_tokens"])

    def test_a_thousand_agents_stay_small(self):
        for n in range(1000):
            self.write(f"many/a{n:03}.txt", f"You are one of many. Group {n % 7} and the rest.\nYou are number {n}.")
        page = self.page("many")
        self.assertLess(len(page), 2_000_000)
        data = self.data(page)
        self.assertLessEqual(len(data["bins"]), 96)
        self.assertEqual(sum(map(len, data["bins"])), 1000)
        self.assertLessEqual(len(data["nodes"]), 1300)


class Explain(AdviceTest):
    def test_shape_and_place(self):
        self.write_requests()
        report = self.json("explain", "calls.jsonl", "--a", "planner", "--b", "critic", "--tokenizer", "small")
        divergence = report["divergence"]
        self.assertTrue({"token", "block", "byte", "segment", "a_text", "b_text", "cause"} <= divergence.keys())
        self.assertEqual(divergence["cause"], "timestamp")
        self.assertEqual(divergence["segment"], "system")
        self.assertEqual(divergence["block"], divergence["token"] // 16)
        self.assertIn("10:00:14", divergence["a_text"])
        self.assertIn("10:00:07", divergence["b_text"])
        self.assertGreater(report["lost_tokens"], 0)
        self.assertEqual(report["fix"]["action"], "move_to_end")

    def test_equal_prompts(self):
        self.write("x/a.txt", SHARED_TEXT)
        self.write("x/b.txt", SHARED_TEXT)
        report = self.json("explain", "x", "--a", "a", "--b", "b", "--tokenizer", "small")
        self.assertIsNone(report["divergence"])
        self.assertEqual(report["lost_tokens"], 0)
        self.assertIn("equal", self.good("explain", "x", "--a", "a", "--b", "b", "--tokenizer", "small").out)

    def test_calls_of_one_agent(self):
        self.write_requests()
        report = self.json("explain", "calls.jsonl", "--a", "planner#1", "--b", "planner#2", "--tokenizer", "small")
        self.assertEqual(report["divergence"]["cause"], "timestamp")

    def test_all_breaks(self):
        self.write_requests()
        breaks = self.json("explain", "calls.jsonl", "--tokenizer", "small")["breaks"]
        self.assertEqual(breaks[0]["explanation"]["divergence"]["cause"], "timestamp")
        self.assertIn("Break 1 of", self.good("explain", "calls.jsonl", "--tokenizer", "small").out)

    def test_caret_points_at_the_break(self):
        self.write("y/a.txt", "The answer is 41 and the rest is as it was before, word for word.")
        self.write("y/b.txt", "The answer is 57 and the rest is as it was before, word for word.")
        lines = self.good("explain", "y", "--a", "a", "--b", "b", "--tokenizer", "small").out.splitlines()
        for number in ("41", "57"):
            at = next(i for i, line in enumerate(lines) if number in line)
            self.assertEqual(lines[at + 1].index("^"), lines[at].index(number))

    def test_usage(self):
        self.write_folder()
        self.fails(64, "explain", "prompts", "--a", "planner", "--tokenizer", "small", says="--b")
        self.fails(64, "explain", "prompts", "--a", "planner", "--b", "critik", "--tokenizer", "small",
                   says="did you mean 'critic'?")


class Layout(AdviceTest):
    def test_shape_and_gain(self):
        self.write_requests()
        report = self.json("layout", "calls.jsonl", "--tokenizer", "small", "--cache-tokens", "100000")
        self.assertTrue({"order", "normalisations", "reusable_tokens"} <= report.keys())
        self.assertGreater(report["reusable_tokens"]["after"], report["reusable_tokens"]["before"])
        self.assertIn("volatile_last", [change["name"] for change in report["normalisations"]])
        self.assertEqual(report["cache_tokens"], 100000)
        self.assertEqual(len(report["calls"]), 3)
        out = self.good("layout", "calls.jsonl", "--tokenizer", "small").out
        for text in ("before", "after", "Order", "lines with times"):
            self.assertIn(text, out)

    def test_segments_of_text_files(self):
        for name in ("a", "b", "c"):
            self.write(f"seg/{name}.txt", f"--- own\nYou are {name}, number {ord(name)}.\n--- rules\n{SHARED_TEXT}\n")
        report = self.json("layout", "seg", "--tokenizer", "small")
        self.assertEqual(report["order"], ["rules", "own"])
        self.assertEqual(report["reusable_tokens"]["before"], 0)
        self.assertGreater(report["reusable_tokens"]["after"], 0)

    def test_fixed_segments_stay(self):
        for name in ("a", "b"):
            self.write(f"fix/{name}.txt", f"--- own fixed\nYou are {name}.\n--- rules\n{SHARED_TEXT}\n")
        self.assertFalse(self.json("layout", "fix", "--tokenizer", "small")["improves"])

    def test_cache_too_small_for_any_call(self):
        self.write_requests()
        report = self.json("layout", "calls.jsonl", "--tokenizer", "small", "--cache-tokens", "64")
        self.assertEqual(report["reusable_tokens"]["after"], 0)
        self.assertEqual(report["refused_calls"], 3)


if __name__ == "__main__":
    unittest.main()
