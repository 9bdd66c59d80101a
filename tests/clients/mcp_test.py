"""MCP clients of others against the daemon's /mcp: the inspector in both eras, frameworks, and a whole agent loop."""
import asyncio
import http.server
import json
import subprocess
import threading
import unittest

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client

import daemon

TOOLS = {"register_context", "get_optimized_context", "get_shared_context", "find_similar", "explain_prefix", "suggest_layout",
         "list_agents", "clear_agent", "embed_texts", "index_folder", "search", "memory_status"}
PROMPT = "You are one of several agents who keep the minutes of one meeting. " * 20


class ScriptedModel(http.server.BaseHTTPRequestHandler):
    """A chat model that asks for one tool call and then is done; `server.requests` keeps what it was asked."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        is_first = not any(message["role"] == "tool" for message in request["messages"])
        message = {"role": "assistant", "content": None if is_first else "done"}
        if is_first:
            arguments = json.dumps({"agent": "scribe", "text": PROMPT})
            message["tool_calls"] = [{"id": "call_1", "type": "function",
                                      "function": {"name": "register_context", "arguments": arguments}}]
        answer = {"id": "chat-1", "object": "chat.completion", "created": 0, "model": "scripted",
                  "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if is_first else "stop"}],
                  "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class McpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guard = daemon.Daemon("--tokenizer", "qwen3")
        cls.token = cls.guard.token("--scopes", "read,write,admin")
        cls.daemon = cls.guard.__enter__()
        cls.url = cls.daemon.url + "/mcp"
        for agent in ("planner", "critic"):
            status, _, body = cls.daemon.request("POST", "/v1/contexts", {"agent": agent, "text": f"{PROMPT} I am {agent}."},
                                                 {"Authorization": f"Bearer {cls.token}"})
            assert status == 201, body

    @classmethod
    def tearDownClass(cls):
        cls.guard.__exit__()

    def agents(self):
        body = self.daemon.get("/v1/contexts", {"Authorization": f"Bearer {self.token}"})[2]
        return body.decode()

    def framework(self, name, **environment):
        said = daemon.run_node(self, "mcp_client.mjs", name, self.url, self.token, PROMPT=PROMPT, **environment)
        self.assertLessEqual(TOOLS, set(said["names"]))
        self.assertIn(f"{name}-agent", json.dumps(said["registered"]))
        self.assertIn("planner", json.dumps(said["shared"]))
        self.assertIn("pools", json.dumps(said["memory"]))
        self.assertIn(f'"{name}-agent"', self.agents())
        return said

    def test_langchain_adapters(self):
        self.framework("langchain")

    def test_ai_sdk(self):
        self.framework("ai-sdk")

    def test_openai_agents_and_a_whole_loop(self):
        model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ScriptedModel)
        model.requests = []
        thread = threading.Thread(target=model.serve_forever)
        thread.start()
        try:
            said = self.framework("openai-agents", MODEL_URL=f"http://127.0.0.1:{model.server_port}/v1")
        finally:
            model.shutdown()
            thread.join()
            model.server_close()
        self.assertEqual(said["loop"], "done")
        self.assertEqual(len(model.requests), 2)
        self.assertLessEqual(TOOLS, {tool["function"]["name"] for tool in model.requests[0]["tools"]})
        result = next(message for message in model.requests[1]["messages"] if message["role"] == "tool")
        self.assertIn("scribe", json.dumps(result))
        self.assertIn('"scribe"', self.agents())

    def test_official_python_client(self):
        async def talk():
            async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {self.token}"}) as http_client, \
                    streamable_http_client(self.url, http_client=http_client) as streams, \
                    mcp.ClientSession(streams[0], streams[1]) as session:
                await session.initialize()
                listed = await session.list_tools()
                registered = await session.call_tool("register_context", {"agent": "python-agent", "text": PROMPT})
                shared = await session.call_tool("get_shared_context", {"agent": "python-agent"})
                again = await session.call_tool("register_context", {"agent": "python-agent", "text": PROMPT})
                return listed, registered, shared, again
        listed, registered, shared, again = asyncio.run(talk())
        self.assertLessEqual(TOOLS, {tool.name for tool in listed.tools})
        self.assertFalse(registered.is_error, registered)
        self.assertIn("planner", shared.model_dump_json())
        self.assertTrue(again.is_error, "the agent is there already")

    def inspect(self, era, *arguments):
        node = (daemon.NODE_CLIENTS / "node").read_text()
        command = [node, daemon.NODE_CLIENTS / "node_modules/.bin/mcp-inspector", "--cli", self.url, "--transport", "http",
                   "--protocol-era", era, "--header", f"Authorization: Bearer {self.token}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                              env={**self.daemon.environment, "HOME": str(self.daemon.folder)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_inspector_in_both_eras(self):
        for era in ("legacy", "modern"):
            with self.subTest(era=era):
                tools = self.inspect(era, "--method", "tools/list", "--strict")["tools"]
                self.assertLessEqual(TOOLS, {tool["name"] for tool in tools})
                called = self.inspect(era, "--method", "tools/call", "--tool-name", "register_context", "--tool-arg",
                                      f"agent=inspector-{era}", f"text={PROMPT}")
                self.assertFalse(called.get("isError", False), called)
                shared = self.inspect(era, "--method", "tools/call", "--tool-name", "get_shared_context", "--tool-arg",
                                      "agent=planner")
                self.assertIn("critic", json.dumps(shared))
                status = self.inspect(era, "--method", "tools/call", "--tool-name", "memory_status")
                self.assertIn("pools", json.dumps(status["structuredContent"]))
                self.assertTrue(self.inspect(era, "--method", "resources/list")["resources"])


if __name__ == "__main__":
    unittest.main()
