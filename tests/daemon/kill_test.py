"""kill -9 under load: what was acknowledged is there after the restart; what was not happened whole, or not at all."""
import http.client
import os
import random
import shutil
import statistics
import threading
import time
import unittest

from daemon import Client, DaemonTest, HAS_MODEL, MODEL, PATIENCE_S

KILLS = int(os.environ.get("WEIR_KILLS", "10"))
SEED = int(os.environ.get("WEIR_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
WRITERS = 6
NAMES = 8  # of agents, and of workflows, for each writer
STEPS = [{"agent": f"step{i}", "depends_on": [f"step{i - 1}"] if i else [], "optional": False} for i in range(4)]
WORDS = "the and in an other cedar elm fir hazel ivy juniper larch maple oak pine rowan spruce willow yew".split()
MOVES = [(f"step{i}", move, state) for i in range(4) for move, state in (("start", "running"), ("finish", "done"))]


def words(rng, least, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


class Writer:
    """Changes what bears its own name, one request after the other, and keeps what the daemon acknowledged.

    may_be holds, for each thing, every state in which it may be found: one, or two where a request had no answer.
    A context is (text, group, pinned), a workflow the number of moves made; None: it is not there.
    """

    def __init__(self, number, rng):
        self.number, self.rng = number, rng
        self.contexts = {f"w{number}/a{i}": [None] for i in range(NAMES)}
        self.workflows = {f"w{number}/f{i}": [None] for i in range(NAMES)}
        self.texts = {}  # embedded and acknowledged -> vector
        self.acknowledged = 0
        self.unanswered = 0
        self.faults = []

    def run(self, daemon, embeds):
        client = Client(daemon)
        try:
            while True:
                self.rng.choices([self.change_context, self.change_workflow, self.embed],
                                 [8, 4, 1 if embeds else 0])[0](client)
        except (OSError, http.client.HTTPException):
            pass  # killed
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(repr(fault))
        finally:
            client.close()

    def send(self, client, known, name, after, request, good):
        """One request that takes the thing to the state `after`."""
        before = known[name][0]
        known[name] = [before, after]
        self.unanswered += 1
        answer = client(*request)
        self.unanswered -= 1
        if answer.status not in good:
            raise AssertionError(f"{request[:2]}: {answer}")
        known[name] = [after]
        self.acknowledged += 1

    def change_context(self, client):
        rng, name = self.rng, self.rng.choice(list(self.contexts))
        path = "/v1/contexts/" + name.replace("/", "%2F")
        before = self.contexts[name][0]
        text, group = words(rng, 5, 200), f"g{rng.randrange(3)}"
        kind = rng.choice(["put", "append", "append", "pin", "remove"]) if before else rng.choice(["post", "put"])
        if kind == "post":
            body = {"agent": name, "text": text, "group": group}
            self.send(client, self.contexts, name, (text, group, False), ("POST", "/v1/contexts", body), [201])
        elif kind == "put":
            cut = len(text) // 2
            body = {"segments": [{"name": "one", "text": text[:cut]}, {"name": "two", "text": text[cut:]}], "group": group}
            self.send(client, self.contexts, name, (text, group, False), ("PUT", path, body), [200, 201])
        elif kind == "append":
            more = " " + words(rng, 1, 40)
            self.send(client, self.contexts, name, (before[0] + more, *before[1:]),
                      ("PATCH", path, {"append": {"text": more}}), [200])
        elif kind == "pin":
            pinned = not before[2]
            self.send(client, self.contexts, name, (*before[:2], pinned), ("PATCH", path, {"pinned": pinned}), [200])
        else:
            self.send(client, self.contexts, name, None, ("DELETE", path), [204])

    def change_workflow(self, client):
        name = self.rng.choice(list(self.workflows))
        path = "/v1/workflows/" + name.replace("/", "%2F")
        made = self.workflows[name][0]
        if made is None:
            self.send(client, self.workflows, name, 0, ("POST", "/v1/workflows", {"name": name, "steps": STEPS}), [201])
        elif made == len(MOVES):
            self.send(client, self.workflows, name, None, ("DELETE", path), [204])
        else:
            agent, move, _ = MOVES[made]
            self.send(client, self.workflows, name, made + 1, ("POST", path + "/advance", {"agent": agent, "move": move}),
                      [200])

    def embed(self, client):
        texts = [f"{self.number} {words(self.rng, 3, 12)} {self.rng.randrange(1 << 40)}" for _ in range(2)]
        answer = client("POST", "/v1/embeddings", {"model": MODEL, "input": texts, "encoding_format": "base64"})
        if answer.status != 200:
            raise AssertionError(f"embed: {answer}")
        self.texts.update((text, one["embedding"]) for text, one in zip(texts, answer.json["data"]))


def states_of(moves):
    states = {step["agent"]: "pending" for step in STEPS}
    for agent, _, state in MOVES[:moves]:
        states[agent] = state
    return states


class KillTest(DaemonTest):
    def check_contexts(self, client, writers):
        listed, cursor = {}, ""
        while cursor is not None:
            page = client("GET", "/v1/contexts?limit=1000" + (f"&cursor={cursor}" if cursor else "")).json
            listed.update((one["agent"], one) for one in page["contexts"])
            cursor = page["next_cursor"]
        known = {name: (writer, states) for writer in writers for name, states in writer.contexts.items()}
        self.assertEqual(set(listed) - set(known), set(), "contexts that nobody sent")
        for name, (writer, states) in known.items():
            found = None
            if name in listed:
                held = client("GET", "/v1/contexts/" + name.replace("/", "%2F") + "?ids=true").json
                found = (held["text"], held["group"], held["pinned"])
                self.assertEqual(held["pinned"], listed[name]["pinned"], name)
                self.assertEqual(len(held["ids"]), held["tokens"], name)
                self.assertEqual(held["text_bytes"], len(held["text"].encode()), name)
            self.assertIn(found, states, f"{name} is not as it was acknowledged")
            writer.contexts[name] = [found]
        return {name: one for name, one in listed.items() if one["blocks"] > 0}

    def check_index(self, client, held):
        """What is found by its content is found after the restart as well."""
        for name in self.rng.sample(sorted(held), min(5, len(held))):
            text = client("GET", "/v1/contexts/" + name.replace("/", "%2F")).json["text"]
            results = client("POST", "/v1/match", {"text": text}).json["results"]
            self.assertEqual(results[0]["exact"]["blocks"], held[name]["blocks"], name)

    def check_workflows(self, client, writers):
        found = {}
        for run in client("GET", "/v1/workflows").json["workflows"]:
            states = {step["agent"]: step["state"] for step in run["steps"]}
            moves = [n for n in range(len(MOVES) + 1) if states_of(n) == states]
            self.assertEqual(len(moves), 1, f"{run['name']} is in no state that it was ever in: {states}")
            found[run["name"]] = moves[0]
        known = {name: (writer, states) for writer in writers for name, states in writer.workflows.items()}
        self.assertEqual(set(found) - set(known), set(), "workflows that nobody declared")
        for name, (writer, states) in known.items():
            self.assertIn(found.get(name), states, f"{name} is not as it was acknowledged")
            writer.workflows[name] = [found.get(name)]

    def check_vectors(self, client, writers):
        texts = [pair for writer in writers for pair in writer.texts.items()]
        for start in range(0, len(texts), 512):
            part = texts[start:start + 512]
            answer = client("POST", "/v1/embeddings", {"model": MODEL, "input": [text for text, _ in part],
                                                       "encoding_format": "base64"})
            self.assertEqual(answer.headers["x-weir-cache"], f"hit; hits={len(part)}; computed=0; coalesced=0")
            for one, (text, vector) in zip(answer.json["data"], part):
                self.assertEqual(one["embedding"], vector, text)
        if texts:
            stats = client("GET", "/v1/embeddings/cache").json
            self.assertEqual((stats["computed"], stats["model_loads"]), (0, 0), stats)

    def check(self, daemon, writers, embeds):
        client = Client(daemon)
        held = self.check_contexts(client, writers)
        self.check_workflows(client, writers)
        if embeds:
            self.check_vectors(client, writers)
        self.check_index(client, held)
        client.close()
        self.assertEqual(daemon.metric("weir_store_records_set_aside"), 0)

    def load(self, daemon, writers, embeds):
        """Until the kill, at a moment that nobody chose."""
        threads = [threading.Thread(target=writer.run, args=(daemon, embeds)) for writer in writers]
        before = sum(writer.acknowledged for writer in writers)
        enough, patience = before + self.rng.randint(1, 150), time.monotonic() + 5
        for thread in threads:
            thread.start()
        while sum(writer.acknowledged for writer in writers) < enough and time.monotonic() < patience:
            time.sleep(self.rng.uniform(0, 0.02))  # synchronises nothing: the moment is to be a random one
        daemon.kill()
        for thread in threads:
            thread.join(PATIENCE_S)
        self.assertEqual([fault for writer in writers for fault in writer.faults], [])

    def test_what_was_acknowledged_survives_kills_under_load(self):
        print(f"WEIR_SEED={SEED}")
        (self.folder / "no-model").mkdir()
        shutil.copytree(self.folder / "cache/tokenizers", self.folder / "no-model/tokenizers")
        self.rng = random.Random(SEED)
        writers = [Writer(number, random.Random(SEED + number + 1)) for number in range(WRITERS)]
        starts = []
        for kill in range(KILLS + 1):
            with self.subTest(kill=kill, seed=SEED):
                # Without a model, writes come much faster.
                embeds = HAS_MODEL and (kill % 2 == 0 or kill == KILLS)
                daemon = self.daemon(environment={} if embeds else {"WEIR_CACHE_DIR": str(self.folder / "no-model")}).start()
                starts.append(daemon.started_s)
                self.check(daemon, writers, embeds)
                if kill < KILLS:
                    self.load(daemon, writers, embeds)
        daemon.stop()
        acknowledged = sum(writer.acknowledged for writer in writers)
        print(f"{KILLS} kills: {acknowledged} acknowledged writes, {sum(writer.unanswered for writer in writers)} "
              f"unanswered, {sum(len(writer.texts) for writer in writers)} vectors; start to ready "
              f"{statistics.median(starts):.2f} s (median), {max(starts):.2f} s (most)")
        # A test that wrote nothing would prove nothing.
        self.assertGreater(acknowledged, KILLS * WRITERS)


if __name__ == "__main__":
    unittest.main()
