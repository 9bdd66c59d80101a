"""A full disk, a file-size limit, a folder that another process has, access rights: a clear answer, nothing half done."""
import json
import os
import pathlib
import resource
import socket
import subprocess
import unittest

from daemon import Client, DaemonTest

CHUNK = "the cedar and the elm and the fir " * 2000  # about 70 KB


class FullDiskTest(DaemonTest):
    def setUp(self):
        super().setUp()
        self.kept = {}

    def fill(self, client, at_most=400):
        """Writes until one is refused; that answer."""
        for i in range(at_most):
            text = f"{i} {CHUNK}"
            answer = client("PUT", f"/v1/contexts/a{i}", {"text": text})
            if answer.status not in (200, 201):
                return answer
            self.kept[f"a{i}"] = text
        self.fail("the disk never got full")

    def check_kept(self, client):
        listed = {one["agent"] for one in client("GET", "/v1/contexts?limit=1000").json["contexts"]}
        self.assertLessEqual(set(self.kept), listed)
        for name, text in self.kept.items():
            self.assertEqual(client("GET", f"/v1/contexts/{name}").json["text"], text, name)
        return listed

    def check_refused(self, answer):
        """The daemon is what lacks something, for now: not 429, which blames the caller."""
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.json["error"]["code"], "unavailable", answer)
        self.assertIn("No space left", answer.json["error"]["message"])
        self.assertEqual(answer.headers["Retry-After"], "1")

    def mount(self, megabytes):
        self.data.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "weir-test", str(self.data)],
                              capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("a small file system cannot be mounted here: " + done.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.data)], check=True)

    def test_a_full_disk_refuses_writes_and_goes_on_when_there_is_room(self):
        self.mount(24)
        daemon = self.daemon("--contexts-bytes", "64MiB", environment={"WEIR_EMBEDDINGS_BYTES": "16MiB"}).start()
        client = Client(daemon)
        client("POST", "/v1/workflows", {"name": "w", "steps": [{"agent": "x"}]})
        filler = self.data / "filler"
        with open(filler, "wb") as file:  # leaves room for a few writes
            file.write(b"x" * (12 << 20))
        refused = self.fill(client)
        self.check_refused(refused)
        # Reads go on, and so does what needs no disk.
        self.check_kept(client)
        self.assertEqual(client("POST", "/v1/match", {"text": self.kept["a0"]}).status, 200)
        self.assertEqual(client("GET", "/readyz").status, 200)
        for method, path, body in (("POST", "/v1/contexts", {"agent": "b", "text": CHUNK}),
                                   ("PATCH", "/v1/contexts/a0", {"append": {"text": CHUNK}})):
            self.check_refused(client(method, path, body))
        self.check_kept(client)
        filler.unlink()
        for i in range(3):
            self.assertEqual(client("PUT", f"/v1/contexts/c{i}", {"text": CHUNK}).status, 201)
            self.kept[f"c{i}"] = CHUNK
        self.assertEqual(client("POST", "/v1/workflows/w/advance", {"agent": "x", "move": "start"}).status, 200)
        self.check_kept(client)
        daemon.kill()
        daemon = self.daemon().start()
        client = Client(daemon)
        # What was refused may be there, whole; nothing else.
        for name in self.check_kept(client) - set(self.kept):
            self.assertIn(client("GET", f"/v1/contexts/{name}").json["text"].removeprefix(f"{name[1:]} "), (CHUNK,), name)
        self.assertEqual(client("GET", "/v1/workflows/w").json["steps"][0]["state"], "running")
        daemon.stop()

    def test_a_disk_that_is_full_at_the_start_is_said_so(self):
        self.mount(1)
        with open(self.data / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        daemon = self.fails_to_start(73, says="No space left")
        self.assertIn("free some disk space", daemon.text())

    def test_a_limit_on_the_size_of_files_is_an_error_and_no_end(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
        daemon = self.daemon(preexec_fn=limit).start()
        client = Client(daemon)
        refused = self.fill(client)
        self.assertEqual(refused.status, 503, refused)
        self.check_kept(client)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answer = client("PUT", "/v1/contexts/late", {"text": "there is room"})
        # RocksDB gives its log up for good after this failure, and the answer says so; reads go on.
        if answer.status == 201:
            self.kept["late"] = "there is room"
        else:
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("open the store again", answer.json["error"]["hint"])
        self.check_kept(client)
        daemon.kill()
        daemon = self.daemon().start()
        self.check_kept(Client(daemon))
        daemon.stop()


class FolderTest(DaemonTest):
    def test_a_second_daemon_on_the_folder_says_who_has_it(self):
        first = self.daemon().start()
        first.request("PUT", "/v1/contexts/a", {"text": "kept"})
        self.fails_to_start(73, "--socket", "none", says="locked by another process")
        second = self.fails_to_start(1, says="weir.sock")
        self.assertNotIn(" ready", second.text())
        # The loser leaves the winner's socket and data alone.
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.data / "weir.sock"))
        self.assertEqual(first.request("GET", "/v1/contexts/a").json["text"], "kept")
        first.stop()

    def test_the_listing_command_works_beside_a_daemon(self):
        daemon = self.daemon().start()
        for i in range(3):
            daemon.request("PUT", f"/v1/contexts/a{i}", {"text": f"text {i}"})
            done = self.weir("contexts", "list", "--data", self.data, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(json.loads(done.stdout)["contexts"]), i + 1, done.stdout)
        daemon.stop()

    def test_a_socket_that_a_killed_daemon_left_is_no_hindrance(self):
        daemon = self.daemon().start()
        daemon.kill()
        self.assertTrue((self.data / "weir.sock").exists())
        daemon = self.daemon().start()
        self.assertEqual((self.data / "weir.sock").stat().st_mode & 0o777, 0o600)
        daemon.stop()

    def test_a_folder_that_cannot_be_made_is_said_so(self):
        (self.folder / "file").write_text("")
        self.fails_to_start(78, "--data", self.folder / "file" / "data", says="Not a directory")
        self.fails_to_start(73, "--data", "/proc/weir-test/data", "--socket", "none", says="cannot make")

    def test_a_folder_with_something_else_in_it_is_left_alone(self):
        self.data.mkdir()
        (self.data / "store").write_text("mine")
        self.fails_to_start(73, says="holds other things")
        self.assertEqual((self.data / "store").read_text(), "mine")


class AccessTest(DaemonTest):
    def test_beyond_loopback_only_with_tokens(self):
        for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            self.fails_to_start(78, "--listen", listen, says="there is no token")
        self.fails_to_start(78, "--listen", "nowhere", says="no address with a port")
        self.add_token()
        daemon = self.daemon("--listen", "0.0.0.0:0").spawn()
        daemon.wait_for_log(" ready")
        daemon.stop()

    def test_a_tokens_file_that_others_may_read_is_refused(self):
        self.add_token()
        file = self.data / "weir.tokens.json"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        for mode in (0o640, 0o604, 0o644):
            file.chmod(mode)
            self.fails_to_start(78, says="may be read by others")

    def test_the_socket_is_its_owners_alone(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        daemon = self.daemon().start()
        self.assertEqual((self.data / "weir.sock").stat().st_mode & 0o777, 0o600)
        daemon.stop()

    def test_the_data_is_its_owners_alone(self):
        daemon = self.daemon().start()
        daemon.request("PUT", "/v1/contexts/a", {"text": "private"})
        # Prompts are in it.
        open_to_others = [str(one) for one in (self.data, *self.data.rglob("*")) if one.stat().st_mode & 0o077]
        self.assertEqual(open_to_others, [])
        daemon.stop()

    def test_a_wrong_host_or_origin_is_refused(self):
        daemon = self.daemon("--hosts", "weir.test", "--origins", "https://pages.test").start()
        cases = [({"Host": "evil.test"}, 403), ({"Host": "weir.test"}, 200), ({"Host": "localhost"}, 200),
                 ({"Host": "localhost.evil.test"}, 403), ({"Host": "127.0.0.1.evil.test"}, 403), ({"Host": "[::1]:80"}, 200),
                 ({"Origin": "https://evil.test"}, 403), ({"Origin": "null"}, 403),
                 ({"Origin": "https://pages.test"}, 200), ({"Origin": f"http://127.0.0.1:{daemon.port}"}, 200)]
        for headers, status in cases:
            for path in ("/v1/contexts", "/metrics", "/healthz"):
                answer = daemon.request("GET", path, headers=headers)
                self.assertEqual(answer.status, status, f"{path} {headers}: {answer}")
        self.assertEqual(daemon.request("PUT", "/v1/contexts/a", {"text": "x"}, {"Origin": "https://evil.test"}).status, 403)
        self.assertEqual(daemon.request("GET", "/v1/contexts").json["contexts"], [])
        daemon.stop()

    def test_tokens_open_their_workspace_and_no_other(self):
        _, one = self.add_token("--workspace", "one")
        _, two = self.add_token("--workspace", "two", "--scopes", "read")
        daemon = self.daemon().start()
        self.assertEqual(daemon.request("PUT", "/v1/contexts/a", {"text": "of one"}, token=one).status, 201)
        self.assertEqual(daemon.request("GET", "/v1/contexts/a", token=two).status, 404)
        self.assertEqual(daemon.request("PUT", "/v1/contexts/a", {"text": "x"}, token=two).status, 403)
        self.assertEqual(daemon.request("GET", "/v1/contexts/a", token=one + "x").status, 401)
        self.assertEqual(daemon.request("GET", "/v1/contexts/a").status, 401)
        self.assertEqual(daemon.request("GET", "/healthz").status, 200)
        daemon.kill()
        daemon = self.daemon().start()
        self.assertEqual(daemon.request("GET", "/v1/contexts/a", token=one).json["text"], "of one")
        self.assertEqual(daemon.request("GET", "/v1/contexts/a", token=two).status, 404)
        for file in pathlib.Path(self.data).rglob("*"):
            if file.is_file():
                self.assertNotIn(one.encode(), file.read_bytes(), file)
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
