"""weir index and weir search: first, second and edited runs of a small tree, with the real model where it was fetched."""
import json
import os
import pathlib
import unittest

from support import CommandTest

MODELS = pathlib.Path(os.environ["WEIR_TEST_CACHE"]) / "models"
MODEL = "all-minilm-l6-v2"

TEXTS = {
    "kitchen/bread.md": "# Bread\n\nKnead the dough for ten minutes, let it rise under a cloth, then bake it in a hot oven.\n",
    "kitchen/soup.md": "# Soup\n\nSimmer carrots and onions in stock until they are soft, then season with salt.\n",
    "code/cache.py": "def evict(cache, budget):\n    \"\"\"Drops the oldest entries until the cache fits its memory.\"\"\"\n"
                     "    while cache.bytes > budget:\n        cache.pop_oldest()\n",
    "code/network.py": "def connect(host, port):\n    \"\"\"Opens a socket to a server and waits for an answer.\"\"\"\n"
                       "    return open_socket(host, port)\n",
}


class WithoutModel(CommandTest):
    def test_what_is_wrong_is_said_before_anything_is_made(self):
        (self.folder / "tree").mkdir()
        self.fails(66, "index", "nowhere", says="no folder nowhere")
        self.write("file", "x")
        self.fails(64, "index", "file", says="file is no folder")
        self.fails(64, "index", "tree", "--file-bytes-max", "much", says="much")
        self.fails(64, "index", "tree", "--chunk-tokens", "3", says="too small")
        self.fails(64, "index", "tree", "--model", "all-minilm-l6-v3", says="all-minilm-l6-v3")
        self.assertEqual(self.files(), ["file"])

    def test_a_search_without_an_index_says_what_to_do(self):
        self.fails(66, "search", "words", says=["no index in this folder or above it", "weir index DIR"])
        self.fails(66, "search", "words", "--data", "data", says=["nothing is indexed in data", "weir index DIR"])
        self.fails(64, "search", "words", "--threshold", "2", says="--threshold '2'")
        self.fails(64, "search", "words", "--k", "0", says="--k is 0")
        self.assertEqual(self.files(), [])


@unittest.skipUnless((MODELS / MODEL).is_dir(), f"the model {MODEL} was not fetched")
class WithModel(CommandTest):
    def setUp(self):
        super().setUp()
        (self.folder / "cache/models").symlink_to(MODELS)
        for path, text in TEXTS.items():
            self.write("tree/" + path, text)

    def test_prune_drops_what_no_file_has_any_more(self):
        self.assertIsNone(self.json("index", "tree", "--data", "data")["pruned"])
        self.json("embed", "of somebody else", "--data", "data")
        self.write("tree/kitchen/soup.md", TEXTS["kitchen/soup.md"].replace("salt", "pepper"))
        (self.folder / "tree/code/network.py").unlink()
        edited = self.json("index", "tree", "--data", "data", "--prune")
        self.assertEqual((edited["computed"], edited["removed"], edited["pruned"]), (1, 1, 3))
        self.assertEqual(self.json("embed", "--cache", "stats", "--data", "data")["vectors"], 3)
        self.assertIn("pruned: 0 vectors", self.good("index", "tree", "--data", "data", "--prune").out)
        self.assertEqual(self.json("index", "tree", "--data", "data")["hit_rate"], 1)
        self.assertEqual(self.json("search", "dinner", "--data", "data")["missing"], 0)

    def test_the_hit_rate_climbs_to_all_and_an_edit_costs_its_chunk(self):
        first = self.json("index", "tree")
        self.assertEqual((first["total"], first["processed"], first["skipped"], first["failed"]), (4, 4, 0, 0))
        self.assertEqual((first["hits"], first["computed"], first["hit_rate"]), (0, 4, 0))
        second = self.json("index", "tree")
        self.assertEqual((second["processed"], second["skipped"], second["unchanged"]), (0, 4, 4))
        self.assertEqual((second["hits"], second["computed"], second["hit_rate"]), (4, 0, 1))
        self.write("tree/kitchen/soup.md", TEXTS["kitchen/soup.md"].replace("salt", "pepper"))
        edited = self.json("index", "tree")
        self.assertEqual((edited["processed"], edited["computed"], edited["hits"]), (1, 1, 3))
        (self.folder / "tree/kitchen/soup.md").unlink()
        self.assertEqual(self.json("index", "tree")["removed"], 1)

    def test_without_the_models_weights_an_unchanged_tree_is_a_hit_all_the_same(self):
        self.json("index", "tree")
        models = self.folder / "cache/models"
        models.unlink()
        (models / MODEL).mkdir(parents=True)
        (models / MODEL / "tokenizer.json").symlink_to(MODELS / MODEL / "tokenizer.json")
        self.assertEqual(self.json("index", "tree")["hit_rate"], 1)

    def test_search_finds_by_meaning(self):
        self.json("index", "tree", "--data", "data")
        answer = self.json("search", "freeing", "memory", "when", "there", "is", "too", "little", "--data", "data")
        best = answer["hits"][0]
        self.assertEqual((best["path"], best["first_line"], best["last_line"]), ("code/cache.py", 1, 4))
        self.assertEqual(best["text"] + "\n", TEXTS["code/cache.py"])
        self.assertEqual((answer["chunks"], answer["missing"], answer["exact"]), (4, 0, True))
        top = self.json("search", "making a loaf", "--data", "data", "--k", "1")["hits"]
        self.assertEqual([hit["path"] for hit in top], ["kitchen/bread.md"])
        self.assertEqual(self.json("search", "making a loaf", "--data", "data", "--threshold", "0.99")["hits"], [])
        self.write("tree/kitchen/bread.md", "Something else.\n")
        shown = self.good("search", "making a loaf", "--data", "data", "--k", "1").out
        self.assertIn("tree/kitchen/bread.md:1-3", shown)
        self.assertIn("changed since it was indexed", shown)
        self.assertNotIn("Knead", shown)

    def test_the_usual_place_is_found_from_below_and_git_ignores_it(self):
        self.json("index", "tree")
        self.assertEqual((self.folder / "tree/.weir/.gitignore").read_text(), "*\n")
        below = self.folder / "tree/kitchen"
        home, self.folder = self.folder, below
        try:
            self.assertEqual(len(self.json("search", "a loaf")["hits"]), 4)
        finally:
            self.folder = home

    def test_ignored_and_binary_files_stay_out(self):
        self.write("tree/.gitignore", "*.log\n")
        self.write("tree/x.log", "a log")
        self.write("tree/picture", b"\x89PNG\0\0")
        report = self.json("index", "tree")
        self.assertEqual((report["total"], report["ignored"], report["not_text"], report["skipped"]), (6, 1, 1, 1))

    def test_no_text_lies_in_the_index(self):
        self.json("index", "tree")
        for path in (self.folder / "tree/.weir").rglob("*"):
            if path.is_file():
                self.assertNotIn(b"Knead", path.read_bytes())


if __name__ == "__main__":
    unittest.main()
