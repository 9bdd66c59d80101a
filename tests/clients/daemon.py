"""A daemon for the tests of this folder: started on a free port with data of its own, ended with SIGTERM."""
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BINARY = os.environ["WEIR_TEST_BINARY"]
SOURCE = pathlib.Path(os.environ["WEIR_TEST_SOURCE"])
CACHE = pathlib.Path(os.environ["WEIR_TEST_CACHE"])
NODE_CLIENTS = CACHE / "clients"
READY_S = 60


class Daemon:
    """`weir serve` with the cache's models; `with Daemon() as daemon:`. Members: url, folder, log (a path)."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.folder_guard = tempfile.TemporaryDirectory(prefix="weir-clients-")
        self.folder = pathlib.Path(self.folder_guard.name)
        self.data = self.folder / "data"
        self.roots = self.folder / "roots"
        self.roots.mkdir()
        self.log = self.folder / "log.txt"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8",
                            "WEIR_CACHE_DIR": str(CACHE)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def token(self, *arguments):
        """A new access token, in text."""
        done = subprocess.run([BINARY, "token", "add", "--data", self.data, "--json", *arguments], env=self.environment,
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["token"]

    def __enter__(self):
        command = [BINARY, "serve", "--json", "--listen", "127.0.0.1:0", "--data", self.data, "--index-roots", self.roots,
                   *self.arguments]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the daemon did not start: " + self.log.read_text())
            self.url = next(place for place in json.loads(line)["listening"] if place.startswith("http://"))
            self.wait_until_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def wait_until_ready(self):
        end = time.monotonic() + READY_S
        while self.get("/readyz")[0] != 200:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the daemon does not get ready: " + self.log.read_text())
            time.sleep(0.02)  # style: a poll of another process

    def __exit__(self, *_):
        self.process.terminate()
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "none, after 60 s"
        self.process.stdout.close()
        log = self.log.read_text()
        self.folder_guard.cleanup()
        if code != 0:
            raise AssertionError(f"the daemon ended with {code}: {log}")

    def request(self, method, path, body=None, headers=()):
        """(status, headers, body bytes), whatever the status."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=dict(headers))
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path, headers=()):
        return self.request("GET", path, headers=headers)


def run_node(test, script, *arguments, timeout_s=120, **environment):
    """Runs a script of this folder with the clients out of npm; what it prints as JSON."""
    node = (NODE_CLIENTS / "node").read_text()
    # Modules are looked for beside the script, so it goes where they are.
    with tempfile.NamedTemporaryFile(dir=NODE_CLIENTS, suffix=".mjs", mode="w", encoding="utf-8") as copy:
        copy.write((pathlib.Path(__file__).parent / script).read_text())
        copy.flush()
        done = subprocess.run([node, copy.name, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False,
                              env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment})
    test.assertEqual(done.returncode, 0, done.stdout + done.stderr)
    return json.loads(done.stdout)
