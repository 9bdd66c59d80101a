"""Signals and the supervisor: draining, reloading, an end at once, and what systemd is told."""
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

from daemon import Client, DaemonTest, PATIENCE_S

BODY = b'{"agent":"late","text":"sent in two parts"}'
HEAD = (b"POST /v1/contexts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        + str(len(BODY)).encode() + b"\r\n\r\n")


def receive_all(connection):
    received = b""
    with connection:
        while piece := connection.recv(65536):
            received += piece
    return received


class SignalTest(DaemonTest):
    def test_sigterm_lets_requests_in_flight_finish_and_takes_no_new_ones(self):
        daemon = self.daemon().start()
        late = daemon.connect()
        late.sendall(HEAD + BODY[:10])
        self.settle(daemon)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_log("draining")
        self.refused(daemon)
        late.sendall(BODY[10:])
        answer = receive_all(late)
        self.assertIn(b"201 Created", answer)
        self.assertIn(b"connection: close", answer.lower())
        self.assertEqual(daemon.wait(), 0, daemon.text())
        self.assertIn(" ended", daemon.text())
        daemon = self.daemon().start()
        self.assertEqual(daemon.request("GET", "/v1/contexts/late").json["text"], "sent in two parts")
        daemon.stop()

    def settle(self, daemon):
        """All that was sent before has been read: one thread reads, and answers this afterwards."""
        self.assertEqual(daemon.request("GET", "/healthz").status, 200)

    def refused(self, daemon):
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit:
            try:
                daemon.connect(1).close()
            except ConnectionRefusedError:
                return
            time.sleep(0.01)
        self.fail("a draining daemon takes new connections")

    def test_readyz_says_503_while_it_drains(self):
        daemon = self.daemon().start()
        late, probe = daemon.connect(), daemon.connect()
        late.sendall(HEAD + BODY[:10])
        probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n")
        self.settle(daemon)
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_log("draining")
        self.refused(daemon)
        probe.sendall(b"\r\n")
        answer = receive_all(probe)
        self.assertIn(b"503 Service Unavailable", answer)
        self.assertIn(b"draining", answer)
        self.assertIn(b"retry-after:", answer.lower())
        late.sendall(BODY[10:])
        self.assertIn(b"201 Created", receive_all(late))
        self.assertEqual(daemon.wait(), 0, daemon.text())

    def test_requests_that_take_too_long_are_cut_off(self):
        daemon = self.daemon("--drain-seconds", 1).start()
        late = daemon.connect()
        late.sendall(HEAD + BODY[:10])
        self.settle(daemon)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0, daemon.text())
        self.assertIn("cut off", daemon.text())
        late.close()

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            daemon = self.daemon("--drain-seconds", 3600).start()
            late = daemon.connect()
            late.sendall(HEAD + BODY[:10])
            self.settle(daemon)
            daemon.request("PUT", "/v1/contexts/kept", {"text": "acknowledged"})
            daemon.signal(first)
            daemon.wait_for_log("draining")
            daemon.signal(signal.SIGHUP)  # no longer means anything
            daemon.signal(second)
            self.assertEqual(daemon.wait(), 1, daemon.text())
            late.close()
        daemon = self.daemon().start()
        self.assertEqual(daemon.request("GET", "/v1/contexts/kept").json["text"], "acknowledged")
        daemon.stop()

    def test_an_idle_daemon_ends_on_sigint_and_leaves_no_socket(self):
        daemon = self.daemon().start()
        idle = daemon.connect()
        self.settle(daemon)
        self.assertTrue((self.data / "weir.sock").exists())
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait(), 0, daemon.text())
        self.assertFalse((self.data / "weir.sock").exists())
        idle.close()


class ReloadTest(DaemonTest):
    def status(self, daemon, token):
        return daemon.request("GET", "/v1/contexts", token=token).status

    def reload(self, daemon):
        count = sum(" reloaded" in line for line in daemon.log)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log(" reloaded", count + 1)

    def test_sighup_takes_new_tokens_and_drops_revoked_ones(self):
        old_id, old = self.add_token()
        daemon = self.daemon().start()
        self.assertEqual(self.status(daemon, None), 401)
        self.assertEqual(self.status(daemon, old), 200)
        _, new = self.add_token("--workspace", "another")
        self.assertEqual(self.status(daemon, new), 401)
        self.weir("token", "revoke", old_id, "--data", self.data)
        self.assertEqual(self.status(daemon, old), 200)
        # A connection that is kept does not keep its token.
        client = Client(daemon, token=old)
        self.assertEqual(client("GET", "/v1/contexts").status, 200)
        self.reload(daemon)
        self.assertEqual(client("GET", "/v1/contexts").status, 401)
        client.close()
        self.assertEqual(self.status(daemon, old), 401)
        self.assertEqual(self.status(daemon, new), 200)
        daemon.stop()

    def test_a_bad_tokens_file_leaves_the_old_tokens(self):
        _, token = self.add_token()
        daemon = self.daemon().start()
        file = self.data / "weir.tokens.json"
        good = file.read_text()
        for bad in ("{", '{"tokens":[{"id":"x"}]}', '{"tokens":[]}'):
            file.write_text(bad)
            self.reload(daemon)
            self.assertEqual(self.status(daemon, token), 200, bad)
            self.assertEqual(self.status(daemon, None), 401, bad)
        file.write_text(good)
        file.chmod(0o644)
        self.reload(daemon)
        self.assertEqual(self.status(daemon, token), 200)
        file.unlink()
        self.reload(daemon)
        self.assertEqual(self.status(daemon, token), 200)
        self.assertEqual(sum("tokens stay as they were" in line for line in daemon.log), 5, daemon.text())
        self.assertNotIn(token, daemon.text())
        daemon.stop()


@unittest.skipUnless(shutil.which("openssl"), "certificates are made by the openssl command")
class CertificateTest(DaemonTest):
    def make(self, name, certificate, key):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
                        "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)

    def served(self, daemon, certificate):
        """Whether the daemon shows this certificate, and answers."""
        context = ssl.create_default_context(cafile=str(certificate))
        port = int(next(one for one in daemon.endpoints() if one.startswith("https://")).rsplit(":", 1)[1])
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except ssl.SSLCertVerificationError:
            return False
        finally:
            connection.close()

    def test_sighup_takes_a_new_certificate_and_a_bad_one_leaves_the_old(self):
        certificate, key = self.folder / "tls.pem", self.folder / "tls.key"
        self.make("one", certificate, key)
        first = self.folder / "first.pem"
        shutil.copy(certificate, first)
        daemon = self.daemon("--tls-certificate", certificate, "--tls-key", key).start()
        self.assertTrue(self.served(daemon, first))
        self.make("two", certificate, key)
        self.assertTrue(self.served(daemon, first))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log(" reloaded")
        self.assertFalse(self.served(daemon, first))
        self.assertTrue(self.served(daemon, certificate))
        second = self.folder / "second.pem"
        shutil.copy(certificate, second)
        certificate.write_text("no certificate")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log("certificates stay as they were")
        daemon.wait_for_log(" reloaded", 2)
        self.assertTrue(self.served(daemon, second))
        daemon.stop()


class SupervisorTest(DaemonTest):
    """The protocol of sd_notify(3)."""

    def setUp(self):
        super().setUp()
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notices.close)
        self.notices.settimeout(PATIENCE_S)

    def next(self):
        return self.notices.recv(4096).decode().splitlines()

    def next_but(self, unwanted):
        while (lines := self.next()) == unwanted:
            pass
        return lines

    def test_it_tells_when_it_is_ready_reloads_and_stops(self):
        for name in (str(self.folder / "notify"), f"@weir-test-{os.getpid()}"):
            with self.subTest(name=name):
                self.notices.close()
                self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.notices.settimeout(PATIENCE_S)
                self.addCleanup(self.notices.close)
                self.notices.bind(name.replace("@", "\0"))
                daemon = self.daemon(environment={"NOTIFY_SOCKET": name}).spawn()
                self.assertEqual(self.next(), ["READY=1"])
                before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                daemon.signal(signal.SIGHUP)
                reloading = self.next()
                self.assertEqual(reloading[0], "RELOADING=1")
                stamp = int(reloading[1].removeprefix("MONOTONIC_USEC="))
                self.assertGreaterEqual(stamp, before)
                self.assertLessEqual(stamp, time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
                self.assertEqual(self.next(), ["READY=1"])
                daemon.signal(signal.SIGTERM)
                self.assertEqual(self.next(), ["STOPPING=1"])
                self.assertEqual(daemon.wait(), 0, daemon.text())

    def test_the_watchdog_hears_of_it_twice_in_its_period(self):
        self.notices.bind(str(self.folder / "notify"))
        environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "400000"}
        daemon = self.daemon(environment=environment).spawn()
        self.assertEqual(self.next(), ["READY=1"])
        begun = time.monotonic()
        for _ in range(5):
            self.assertEqual(self.next(), ["WATCHDOG=1"])
        # At half the period; a busy machine may be late, but nothing is early.
        self.assertGreater(time.monotonic() - begun, 0.9)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(self.next_but(["WATCHDOG=1"]), ["STOPPING=1"])
        self.assertEqual(daemon.wait(), 0)

    def test_it_goes_on_when_nobody_listens(self):
        daemon = self.daemon(environment={"NOTIFY_SOCKET": str(self.folder / "nobody"), "WATCHDOG_USEC": "no number"}).start()
        daemon.stop()

    def test_the_state_directory_holds_the_data(self):
        state = self.folder / "state"
        state.mkdir()
        daemon = self.daemon(environment={"STATE_DIRECTORY": str(state)}).start()
        self.assertEqual(daemon.request("PUT", "/v1/contexts/a", {"text": "kept"}).status, 201)
        self.assertTrue((state / "weir.sock").is_socket())
        daemon.stop()
        self.assertFalse((self.folder / "home").exists())
        done = self.weir("contexts", "list", "--data", state, "--json")
        self.assertIn('"a"', done.stdout, done.stderr)


if __name__ == "__main__":
    unittest.main()
