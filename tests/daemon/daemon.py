"""What the tests of the daemon share: starting one in a folder of its own, talking to it, reading its log, ending it."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(os.environ["WEIR_TEST_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests/cli"))
from support import BINARY, CHAT_TEMPLATE, FETCHED, SANITIZED, small_tokenizer  # noqa: E402

MODEL = "all-minilm-l6-v2"
MODELS = FETCHED.parent / "models"
HAS_MODEL = (MODELS / MODEL / "model.safetensors").exists()
NEEDS_MODEL = f"{MODEL} is not in the cache: scripts/fetch-assets model brings it"
# How long anything may take before a test says that it hangs; sanitizers are slow.
PATIENCE_S = 300 if SANITIZED else 60


class Answer:
    """A response that came whole."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """One connection that is kept; made anew after a failure. Exceptions of it: OSError, http.client.HTTPException."""

    def __init__(self, daemon, timeout=PATIENCE_S, token=None):
        self.daemon, self.timeout, self.token, self.connection = daemon, timeout, token, None
        daemon.clients.append(self)

    def __call__(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=self.timeout)
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Daemon:
    """A `weir serve`. start() returns when it is ready; what it wrote is in out and log, line by line."""

    def __init__(self, test, *arguments, environment=None, **extra):
        self.test, self.arguments, self.extra = test, [str(one) for one in arguments], extra
        self.environment = {**test.environment, **(environment or {})}
        self.process, self.port, self.started_s = None, None, None
        self.clients = []

    def spawn(self):
        self.out, self.log = [], []
        self.news = threading.Condition()
        begun = time.monotonic()
        usual = [] if "--listen" in self.arguments else ["--listen", "127.0.0.1:0"]
        if "--data" not in self.arguments and "STATE_DIRECTORY" not in self.environment:
            usual += ["--data", str(self.test.data)]
        self.process = subprocess.Popen([BINARY, "serve", *usual, *self.arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.test.folder,
                                        env=self.environment, **self.extra)
        self.readers = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in
                        ((self.process.stdout, self.out), (self.process.stderr, self.log))]
        for reader in self.readers:
            reader.start()
        self.begun = begun
        return self

    def start(self):
        self.spawn()
        self.wait_for_log(" ready")
        self.started_s = time.monotonic() - self.begun
        self.wait_until(self.endpoints, "no address was announced")
        for endpoint in self.endpoints():
            if "://127.0.0.1:" in endpoint:
                self.port = int(endpoint.rsplit(":", 1)[1])
        return self

    def endpoints(self):
        return [line.removeprefix("listening on ").strip() for line in self.out if line.startswith("listening on ")]

    def _read(self, stream, lines):
        for line in stream:
            with self.news:
                lines.append(line.decode(errors="replace"))
                self.news.notify_all()
        with self.news:
            lines.append("")
            self.news.notify_all()

    def _ended(self):
        return self.log and self.log[-1] == ""

    def wait_until(self, holds, what):
        with self.news:
            self.news.wait_for(lambda: holds() or self._ended(), PATIENCE_S)
            if not holds():
                self.test.fail(f"{what}:\n{self.text()}")

    def wait_for_log(self, text, count=1):
        self.wait_until(lambda: sum(text in line for line in self.log) >= count, f"the log never says '{text}'")

    def text(self):
        return "".join(self.out + self.log)

    def request(self, method, path, body=None, headers=None, token=None):
        client = Client(self, token=token)
        try:
            return client(method, path, body, headers)
        finally:
            client.close()

    def connect(self, timeout=PATIENCE_S):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """The exit code; all that was written is in out and log afterwards."""
        code = self.process.wait(PATIENCE_S)
        for reader in self.readers:
            reader.join(PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        text = self.text()
        self.test.assertNotIn("check failed", text)
        self.test.assertNotIn("Sanitizer", text)
        return code

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self):
        self.signal(signal.SIGTERM)
        code = self.wait()
        self.test.assertEqual(code, 0, self.text())

    def clean_up(self):
        for client in self.clients:
            client.close()
        if self.process is not None and not self.process.stdout.closed:
            self.process.kill()
            self.wait()

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def metric(self, name):
        """The sum over the labels of a sample's name."""
        total = 0.0
        for line in self.request("GET", "/metrics").body.decode().splitlines():
            if line.startswith((name + " ", name + "{")):
                total += float(line.rsplit(" ", 1)[1])
        return total


class DaemonTest(unittest.TestCase):
    """A folder of its own, a made tokenizer named "small", the fetched embedding model if it is there."""
    maxDiff = 2000

    def setUp(self):
        guard = tempfile.TemporaryDirectory(prefix="weir-daemon-", ignore_cleanup_errors=True)
        self.addCleanup(guard.cleanup)
        self.folder = pathlib.Path(guard.name)
        self.data = self.folder / "data"
        tokenizer = self.folder / "cache/tokenizers/small"
        tokenizer.mkdir(parents=True)
        (tokenizer / "tokenizer.json").write_text(json.dumps(small_tokenizer()))
        (tokenizer / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
        if HAS_MODEL:
            (self.folder / "cache/models").symlink_to(MODELS)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "LANG": "C.UTF-8",
                            "WEIR_CACHE_DIR": str(self.folder / "cache"), "WEIR_TOKENIZER": "small"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def daemon(self, *arguments, **extra):
        """A daemon that is not started yet, and ends with the test."""
        daemon = Daemon(self, *arguments, **extra)
        self.addCleanup(daemon.clean_up)
        return daemon

    def weir(self, *arguments, environment=None):
        done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, cwd=self.folder, text=True,
                              env={**self.environment, **(environment or {})}, timeout=PATIENCE_S, check=False)
        self.assertGreaterEqual(done.returncode, 0, done.stderr)
        return done

    def add_token(self, *arguments):
        """Makes one; its id and its secret."""
        done = self.weir("token", "add", "--data", self.data, "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)
        return made["id"], made["token"]

    def fails_to_start(self, code, *arguments, says, **extra):
        daemon = self.daemon(*arguments, **extra).spawn()
        self.assertEqual(daemon.wait(), code, daemon.text())
        self.assertIn(says, daemon.text())
        return daemon
