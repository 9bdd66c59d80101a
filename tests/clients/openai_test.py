"""OpenAI's own clients, Python and JavaScript, and LangChain's, against the daemon: values, errors, waiting when told to."""
import base64
import concurrent.futures
import json
import math
import time
import unittest

import openai

import daemon

MODEL = "minilm"
REFERENCE = daemon.SOURCE / "src/model/testing/minilm_reference.jsonl"
COSINE_MIN = 0.999
TOKENS_MAX = 256  # of the model; longer texts are refused unless the request asks for truncation


def reference():
    """(text, token ids, vector) of each line that is not cut off; a vector is little-endian signed 16 bit numbers, of any scale."""
    for line in REFERENCE.read_text().splitlines():
        one = json.loads(line)
        if len(one["ids"]) >= TOKENS_MAX:
            continue
        packed = base64.b64decode(one["vector"])
        vector = [int.from_bytes(packed[i:i + 2], "little", signed=True) for i in range(0, len(packed), 2)]
        yield one["text"], one["ids"], vector


def cosine(left, right):
    dot = sum(a * b for a, b in zip(left, right, strict=True))
    return dot / math.sqrt(sum(a * a for a in left) * sum(b * b for b in right))


class OpenAiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guard = daemon.Daemon()
        cls.token = cls.guard.token()
        cls.slow_token = cls.guard.token("--requests-per-second", "1")
        cls.slower_token = cls.guard.token("--requests-per-second", "1")
        cls.daemon = cls.guard.__enter__()
        cls.url = cls.daemon.url + "/v1"
        cls.client = openai.OpenAI(api_key=cls.token, base_url=cls.url, max_retries=0)
        cls.texts, cls.ids, cls.vectors = map(list, zip(*reference()))

    @classmethod
    def tearDownClass(cls):
        cls.guard.__exit__()

    def vectors_of(self, texts, **options):
        answer = self.client.embeddings.create(model=MODEL, input=texts, **options)
        self.assertEqual([one.index for one in answer.data], list(range(len(answer.data))))
        return [one.embedding for one in answer.data]

    def assert_reference(self, found):
        self.assertEqual(len(found), len(self.vectors))
        for text, mine, theirs in zip(self.texts, found, self.vectors, strict=True):
            self.assertGreaterEqual(cosine(mine, theirs), COSINE_MIN, text[:60])

    def test_values(self):
        self.assert_reference(self.vectors_of(self.texts))

    def test_token_ids_are_taken_like_their_text(self):
        self.assert_reference(self.vectors_of(self.ids))

    def test_every_way_to_ask_gives_the_same(self):
        texts = [f"{text} Asked in every way." for text in self.texts[:12]]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            parallel = list(pool.map(lambda text: self.vectors_of(text)[0], texts + texts))
        batch = self.vectors_of(texts)
        self.assertEqual(parallel, batch + batch)
        self.assertEqual([self.vectors_of(text)[0] for text in texts], batch)
        floats = self.vectors_of(texts, encoding_format="float")
        for mine, theirs in zip(floats, batch, strict=True):
            self.assertLess(max(abs(a - b) for a, b in zip(mine, theirs, strict=True)), 1e-7)

    def test_async_client(self):
        async def ask():
            async with openai.AsyncOpenAI(api_key=self.token, base_url=self.url, max_retries=0) as client:
                return await client.embeddings.create(model=MODEL, input=self.texts[:3])
        import asyncio
        self.assertEqual([one.embedding for one in asyncio.run(ask()).data], self.vectors_of(self.texts[:3]))

    def test_models(self):
        names = [model.id for model in self.client.models.list()]
        self.assertIn("all-minilm-l6-v2", names)
        self.assertEqual(self.client.models.retrieve("all-minilm-l6-v2").object, "model")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("no-such")

    def test_usage(self):
        answer = self.client.embeddings.create(model=MODEL, input=self.texts)
        self.assertEqual(answer.usage.prompt_tokens, sum(map(len, self.ids)))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens)

    def test_errors_are_the_clients_own(self):
        create = self.client.embeddings.create
        with self.assertRaises(openai.NotFoundError) as caught:
            create(model="no-such", input="x")
        self.assertIn("no-such", caught.exception.body["message"])
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(api_key="wrong", base_url=self.url, max_retries=0).models.list()
        for bad in ({"input": ""}, {"input": []}, {"input": ["fine", ""]}, {"input": "x", "dimensions": 7},
                    {"input": "x", "extra_body": {"colour": "red"}}, {"input": "x", "encoding_format": "hex"}):
            with self.assertRaises(openai.BadRequestError, msg=bad) as caught:
                create(model=MODEL, **bad)
            self.assertTrue(caught.exception.body["message"], bad)
            self.assertIn("type", caught.exception.body)

    def test_too_many_requests_are_told_when_to_come_back(self):
        impatient = openai.OpenAI(api_key=self.slow_token, base_url=self.url, max_retries=0)
        with self.assertRaises(openai.RateLimitError) as caught:
            for _ in range(20):
                impatient.models.list()
        wait_s = int(caught.exception.response.headers["retry-after"])
        self.assertGreaterEqual(wait_s, 1)
        begun = time.monotonic()
        openai.OpenAI(api_key=self.slow_token, base_url=self.url, max_retries=5).models.list()
        # Without the header the client comes back after half a second, give or take.
        self.assertGreaterEqual(time.monotonic() - begun, 0.95)

    def test_javascript(self):
        said = daemon.run_node(self, "openai_client.mjs", self.daemon.url, self.token, self.slower_token,
                               json.dumps(self.texts))
        self.assert_reference(said["batch"])
        expected = self.vectors_of(self.texts)
        for way in ("batch", "floats", "singles", "documents"):
            for mine, theirs in zip(said[way], expected, strict=True):
                self.assertLess(max(abs(a - b) for a, b in zip(mine, theirs, strict=True)), 1e-7, way)
        self.assertEqual(said["query"], said["documents"][0])
        self.assertEqual(said["indices"], list(range(len(self.texts))))
        self.assertEqual(said["usage"]["prompt_tokens"], sum(map(len, self.ids)))
        self.assertIn("all-minilm-l6-v2", said["models"])
        errors = said["errors"]
        self.assertTrue(errors["model"].startswith("NotFoundError 404"), errors)
        self.assertTrue(errors["token"].startswith("AuthenticationError 401"), errors)
        self.assertTrue(errors["empty"].startswith("BadRequestError 400"), errors)
        self.assertTrue(errors["unknown"].startswith("BadRequestError 400"), errors)
        self.assertTrue(said["overload"]["refused"].startswith("RateLimitError 429"), said["overload"])
        self.assertGreaterEqual(said["overload"]["waited_ms"], 950)


if __name__ == "__main__":
    unittest.main()
