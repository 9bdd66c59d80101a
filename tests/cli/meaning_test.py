"""weir contexts by meaning: with the model that set-up fetches, and without."""
import json
import unittest

from support import CommandTest
from embed_test import IS_THERE, MODELS, NAME, NEEDS_MODEL

TEXTS = {"billing": "The customer was charged twice for one subscription and wants the money back.",
         "kitchen": "Simmer the onions in butter until they are soft, then add the stock and the rice.",
         "rocket": "The second stage ignites at an altitude of eighty kilometres and burns for six minutes."}
QUESTION = "Somebody paid two times and asks for a refund."


class MeaningTest(CommandTest):
    def setUp(self):
        super().setUp()
        for agent, text in TEXTS.items():
            self.write(f"prompts/{agent}.txt", text)
        self.environment["WEIR_DATA"] = "registry"

    def contexts(self, *arguments, **extra):
        return self.json("contexts", *arguments, **extra)

    def add(self, *more):
        return self.contexts("add", "prompts", "--tokenizer", "small", *more)["registered"]


@unittest.skipUnless(IS_THERE, NEEDS_MODEL)
class WithTheModel(MeaningTest):
    def setUp(self):
        super().setUp()
        (self.folder / "cache/models").symlink_to(MODELS)

    def test_a_text_finds_what_means_the_same(self):
        self.assertTrue(all(one["has_vector"] for one in self.add()))
        found = self.contexts("similar", "--query", QUESTION)
        self.assertTrue(found["by_vector"])
        self.assertEqual([one["agent"] for one in found["results"]], ["billing"])
        best = found["results"][0]
        self.assertEqual((best["equal_blocks"], best["near_blocks"], best["exact"]), (None, None, None))
        self.assertGreater(best["nearest_segment"]["similarity"], 0.5)
        everybody = self.contexts("similar", "--query", QUESTION, "--threshold", "0", "--k", "2")["results"]
        self.assertEqual(everybody[0]["agent"], "billing")
        self.write("same.txt", TEXTS["rocket"])
        self.assertEqual(self.contexts("similar", "same.txt")["results"][0]["similarity"], 1)
        self.assertIn("nearest segment", self.good("contexts", "similar", "same.txt").out)
        # The blocks of the question are nobody's.
        self.assertEqual(self.contexts("similar", "--query", QUESTION, "--by", "blocks")["results"], [])

    def test_match_says_who_means_the_same(self):
        self.add()
        self.write("question.txt", QUESTION)
        report = self.contexts("match", "question.txt")
        best = report["results"][0]
        self.assertEqual(best["agent"], "billing")
        self.assertGreater(best["similarity"], 0.5)
        self.assertEqual((best["exact"]["tokens"], best["moved"]["tokens"], best["near"]["blocks"]), (0, 0, 0))
        self.assertIsNone(report["semantic_note"])

    def test_an_append_changes_the_meaning(self):
        self.add()
        self.write("more.txt", " " + QUESTION)
        answer = self.contexts("append", "kitchen", "more.txt", "--kind", "user")
        self.assertTrue(answer["has_vector"])
        found = self.contexts("similar", "--query", QUESTION, "--threshold", "0")["results"]
        kitchen = next(one for one in found if one["agent"] == "kitchen")
        self.assertEqual(kitchen["nearest_segment"]["name"], "user")
        self.assertGreater(kitchen["nearest_segment"]["similarity"], 0.99)
        self.assertLess(kitchen["similarity"], 0.99)

    def test_vectors_are_made_later(self):
        self.assertFalse(any(one["has_vector"] for one in self.add("--without-vectors")))
        self.assertIn("weir contexts embed", self.contexts("similar", "--query", QUESTION, "--by", "meaning")["note"])
        self.assertIn("by blocks", self.good("contexts", "similar", "--query", QUESTION).err)
        done = self.contexts("embed")
        self.assertEqual((done["embedded"], done["failed"], done["vectors"], done["model"]), (3, 0, 3, NAME))
        self.assertEqual(self.contexts("similar", "--query", QUESTION)["results"][0]["agent"], "billing")
        self.assertEqual(self.contexts("embed")["embedded"], 0)
        stats = self.contexts("stats")
        self.assertEqual((stats["vectors"], stats["stale_vectors"], stats["vector_model"]), (3, 0, NAME))
        self.assertEqual(stats["vector_dimensions"], 384)

    def test_other_weights_are_another_model(self):
        self.add()
        self.environment["WEIR_EMBEDDING_WEIGHTS"] = "q8_0"
        self.write("one.txt", "one more")
        self.contexts("add", "one.txt")
        stats = self.contexts("stats")
        self.assertEqual((stats["vectors"], stats["stale_vectors"]), (1, 3))
        self.assertIn("3 of the contexts", self.contexts("similar", "--query", QUESTION)["note"])
        self.assertEqual(self.contexts("embed")["embedded"], 3)
        self.assertEqual(self.contexts("similar", "--query", QUESTION)["results"][0]["agent"], "billing")

    def test_what_is_there_is_compared_without_the_model(self):
        self.add()
        (self.folder / "cache/models").unlink()
        report = self.contexts("shared", "--target", "billing")
        self.assertIsNone(report["semantic_note"])
        self.assertTrue(all(isinstance(one["similarity"], float) for one in report["results"]))


class WithoutTheModel(MeaningTest):
    def test_it_says_so_and_what_to_do(self):
        self.assertFalse(any(one["has_vector"] for one in self.add()))
        fetch = f"weir models fetch {NAME}"
        report = self.contexts("similar", "--query", QUESTION, "--by", "meaning")
        self.assertEqual((report["by_vector"], report["results"]), (True, []))
        self.assertTrue(report["note"].startswith("disabled"), report["note"])
        self.assertIn(fetch, report["note"])
        self.assertIn(fetch, self.good("contexts", "similar", "--query", QUESTION).err)
        self.assertIn(fetch, self.contexts("match", "--query", QUESTION)["semantic_note"])
        failed = self.weir("contexts", "embed", "--json")
        self.assertNotEqual(failed.code, 0)
        self.assertIn(fetch, json.loads(failed.out or failed.err)["error"]["hint"])

    def test_bad_input(self):
        self.add()
        self.fails(64, "contexts", "similar", says="one FILE, or --query")
        self.fails(64, "contexts", "similar", "prompts/rocket.txt", "--query", "x", says="one FILE, or --query")
        self.fails(64, "contexts", "list", "--by", "meaning", says="--by does not go with 'list'")
        self.environment["WEIR_EMBEDDING_MODEL"] = "all-minilm-l6-v3"
        self.fails(64, "contexts", "similar", "--query", "x", says=NAME)


if __name__ == "__main__":
    unittest.main()
