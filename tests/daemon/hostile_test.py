"""Clients that are slow, many, gone, greedy or mad, and a daemon that has too little memory."""
import http.client
import os
import random
import resource
import socket
import threading
import time
import unittest

from daemon import Client, DaemonTest, HAS_MODEL, PATIENCE_S, SANITIZED

CONNECTIONS = int(os.environ.get("WEIR_CONNECTIONS", "2000"))
SEED = int(os.environ.get("WEIR_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
LEFT_MIB = int(os.environ.get("WEIR_LEFT_MIB", "800"))
GET = b"GET /v1/contexts HTTP/1.1\r\nHost: localhost\r\n\r\n"


def receive_all(connection):
    received = b""
    with connection:
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    return received


class HostileTest(DaemonTest):
    def setUp(self):
        super().setUp()
        self.served = self.daemon("--body-bytes-max", "1MiB").start()

    def exchange(self, sent):
        """What comes back until the daemon closes."""
        connection = self.served.connect()
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was sent whole
        return receive_all(connection)

    def check_alive(self):
        self.assertEqual(self.served.request("PUT", "/v1/contexts/alive", {"text": "yes"}).status // 100, 2)
        self.assertEqual(self.served.request("GET", "/v1/contexts/alive").json["text"], "yes")

    def test_a_slow_head_gets_408_while_others_are_served(self):
        begun = time.monotonic()
        slow = [self.served.connect() for _ in range(200)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        client = Client(self.served)
        rounds = 0
        while time.monotonic() < begun + 9:
            for connection in slow:
                connection.sendall(b"X")  # a byte now and then buys no time
            self.assertEqual(client("GET", "/v1/contexts").status, 200)
            rounds += 1
            time.sleep(0.5)  # the pace of the attack
        client.close()
        self.assertGreater(rounds, 3)
        for connection in slow:
            answer = receive_all(connection)
            self.assertTrue(answer == b"" or b" 408 " in answer, answer)
        self.assertLess(time.monotonic() - begun, PATIENCE_S)
        self.assertEqual(self.served.metric("weir_http_connections"), 1)
        self.check_alive()

    def test_many_idle_connections_are_held_and_others_served(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS + 200
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self.skipTest(f"this machine allows {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = self.served.resident_bytes()
        idle = []
        for _ in range(CONNECTIONS):
            connection = self.served.connect()
            self.addCleanup(connection.close)
            connection.sendall(GET)  # one that has served a request, and stays
            idle.append(connection)
        for connection in idle:
            self.assertIn(b"200 OK", connection.recv(4096))
        self.assertGreaterEqual(self.served.metric("weir_http_connections"), CONNECTIONS)
        each = (self.served.resident_bytes() - before) / CONNECTIONS
        print(f"{CONNECTIONS} idle connections: {self.served.resident_bytes() >> 20} MiB resident, {each:.0f} bytes each")
        if not SANITIZED:
            self.assertLess(each, 16 * 1024)
        self.check_alive()
        for connection in idle[::100]:  # those that stayed still work
            connection.sendall(GET)
            self.assertIn(b"200 OK", connection.recv(4096))

    def test_clients_that_vanish_leave_nothing_behind(self):
        body = b'{"text":"' + b"x " * 5000 + b'"}'
        head = b"PUT /v1/contexts/gone HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(body)
        whole = head + body
        rng = random.Random(SEED)
        for i in range(200):
            connection = self.served.connect()
            connection.sendall(whole[:rng.randrange(1, len(whole) + 1)] if i % 4 else whole + GET * 3)
            if i % 2:  # a reset instead of an end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        self.wait_for_metric("weir_http_requests_in_flight", 1)
        self.wait_for_metric("weir_http_connections", 1)
        self.check_alive()

    def test_clients_that_vanish_while_a_large_answer_is_sent(self):
        self.served.request("PUT", "/v1/contexts/large", {"text": "word " * 150_000})
        for _ in range(20):
            connection = self.served.connect()
            connection.sendall(b"GET /v1/contexts/large?ids=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"200 OK", connection.recv(100))
            connection.close()
        self.wait_for_metric("weir_http_connections", 1)
        self.check_alive()

    def wait_for_metric(self, name, value):
        limit = time.monotonic() + PATIENCE_S
        while (now := self.served.metric(name)) > value:
            self.assertLess(time.monotonic(), limit, f"{name} stays at {now}")
            time.sleep(0.02)

    def test_texts_that_repeat_themselves_are_forgotten_as_quickly_as_others(self):
        client = Client(self.served)
        for i in range(12):
            self.assertEqual(client("PUT", f"/v1/contexts/r{i}", {"text": f"{i} " + "the and in " * 20_000}).status, 201)
        begun = time.monotonic()
        self.assertEqual(client("DELETE", "/v1/contexts/r3").status, 204)
        self.assertEqual(client("PUT", "/v1/contexts/r4", {"text": "short"}).status, 200)
        if not SANITIZED:  # the square of the length would take half a minute, and everybody would wait for it
            self.assertLess(time.monotonic() - begun, 3)

    def test_pipelined_requests_are_answered_in_order(self):
        connection = self.served.connect()
        paths = [b"/healthz", b"/v1/contexts", b"/nowhere", b"/readyz", b"/v1/contexts/none"] * 20
        connection.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths))
        reader = connection.makefile("rb")
        for path in paths:
            status = int(reader.readline().split()[1])
            length = 0
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            reader.read(length)
            self.assertEqual(status, {b"/nowhere": 404, b"/v1/contexts/none": 404}.get(path, 200), path)
        reader.close()
        connection.close()

    def test_heads_and_bodies_that_are_too_large(self):
        host = b"Host: localhost\r\n"
        post = b"POST /v1/contexts HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
        cases = [(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n", b"414"),
                 (b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 100_000 + b"\r\n\r\n", b"431"),
                 (b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n" * 5000 + b"\r\n", b"431"),
                 (post + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, b"413"),
                 (post + b"Content-Length: 99999999999999999999999\r\n\r\n", b"4"),
                 (post + b"Content-Length: -1\r\n\r\n", b"400"),
                 (post + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n" +
                  (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 20 + b"0\r\n\r\n", b"413"),
                 (post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
                 (post + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", b"4")]
        for sent, status in cases:
            answer = self.exchange(sent)
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), f"{sent[:80]}: {answer[:200]}")
        self.check_alive()

    def test_garbage_is_refused(self):
        rng = random.Random(SEED)
        kinds = [lambda: rng.randbytes(rng.randrange(1, 5000)),
                 lambda: b"\x16\x03\x01\x02\x00\x01" + rng.randbytes(300),  # TLS on a plain port
                 lambda: b"\r\n" * 5000, lambda: b"\0" * 5000,
                 lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 lambda: self.damaged(rng, GET)]
        for i in range(300):
            sent = kinds[i % len(kinds)]()
            answer = self.exchange(sent)
            self.assertFalse(answer.startswith(b"HTTP/1.1 5") and not answer.startswith((b"HTTP/1.1 501", b"HTTP/1.1 505")),
                             f"WEIR_SEED={SEED}: {sent[:100]!r} {answer[:100]!r}")
        self.check_alive()

    @staticmethod
    def damaged(rng, request):
        changed = bytearray(request)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)


class ManyConnectionsTest(DaemonTest):
    def test_connections_beyond_the_limit_are_told_so(self):
        daemon = self.daemon("--connections-max", 20).start()
        held = [daemon.connect() for _ in range(20)]
        for connection in held:
            connection.sendall(GET)
            self.assertIn(b"200 OK", connection.recv(4096))
        answer = daemon.request("GET", "/healthz")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "1"))
        for connection in held:
            connection.close()
        limit = time.monotonic() + PATIENCE_S
        while daemon.request("GET", "/healthz").status != 200:
            self.assertLess(time.monotonic(), limit)
        daemon.stop()


@unittest.skipIf(SANITIZED, "a sanitizer's shadow memory does not fit a limit on address space")
class MemoryTest(DaemonTest):
    """The daemon's own budget is what refuses first; a limit of the system that is hit before it is the harder case."""

    def write_until_refused(self, daemon, threads=4, most=400):
        statuses, lock = {}, threading.Lock()

        def write(number):
            client = Client(daemon)
            for i in range(most):
                try:
                    answer = client("PUT", f"/v1/contexts/{number}-{i}", {"text": f"{number} {i} " + "the and in " * 20_000})
                except (OSError, http.client.HTTPException) as lost:
                    with lock:
                        statuses.setdefault("lost", []).append(repr(lost))
                    return
                with lock:
                    statuses.setdefault(answer.status, []).append(answer)
                if answer.status in (429, 503):
                    return
            client.close()
        running = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(PATIENCE_S)
        return statuses

    def test_a_budget_that_is_spent_by_pinned_contexts_gives_429_with_retry_after(self):
        daemon = self.daemon("--contexts-bytes", "4MiB", environment={"WEIR_CACHE_DIR": str(self.no_model())}).start()
        client = Client(daemon)
        for i in range(50):
            answer = client("POST", "/v1/contexts", {"agent": f"p{i}", "text": f"{i} " + "the and in " * 20_000, "pinned": True})
            if answer.status != 201:
                break
        self.assertEqual(answer.status, 429, answer)
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.assertEqual(client("GET", "/v1/contexts/p0").status, 200)
        self.assertEqual(client("DELETE", "/v1/contexts/p0").status, 204)
        self.assertEqual(client("POST", "/v1/contexts", {"agent": "small", "text": "fits"}).status, 201)
        daemon.stop()

    def no_model(self):
        cache = self.folder / "no-model"
        cache.mkdir()
        (cache / "tokenizers").symlink_to(self.folder / "cache/tokenizers")
        return cache

    def test_a_limit_on_address_space_is_answered_and_what_was_acknowledged_stays(self):
        environment = {"WEIR_CACHE_DIR": str(self.no_model())}
        daemon = self.daemon(environment=environment).start()
        # Each thread that allocates for the first time reserves 64 MiB of addresses.
        limit = self.address_space(daemon) + (LEFT_MIB << 20)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (limit, limit))
        statuses = self.write_until_refused(daemon)
        counts = {status: len(answers) for status, answers in statuses.items()}
        is_alive = daemon.process.poll() is None
        print(f"{LEFT_MIB} MiB of address space left: answers {counts}, the daemon {'lives' if is_alive else 'died'}")
        for status, answers in statuses.items():
            if status in (429, 503):
                self.assertTrue(all(answer.headers["Retry-After"] for answer in answers))
        self.assertTrue(is_alive, daemon.text())
        self.assertLessEqual(set(statuses), {200, 201, 429, 503}, statuses)
        # A test in which nothing was written, or nothing refused, would prove nothing.
        self.assertGreater(counts.get(201, 0), 0, counts)
        self.assertGreater(counts.get(429, 0) + counts.get(503, 0), 0, counts)
        daemon.kill()
        daemon = self.daemon(environment=environment).start()
        self.assertGreaterEqual(len(daemon.request("GET", "/v1/contexts?limit=1000").json["contexts"]),
                                min(1000, counts.get(201, 0)))
        daemon.stop()

    @staticmethod
    def address_space(daemon):
        with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    unittest.main()
