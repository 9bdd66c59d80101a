// Agent frameworks' MCP clients against the daemon's /mcp. Prints one JSON object.
// usage: mcp_client.mjs FRAMEWORK URL TOKEN     FRAMEWORK: langchain, ai-sdk, openai-agents
// The last one also runs a whole agent loop against a scripted model at MODEL_URL.
const [framework, url, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const context = { agent: `${framework}-agent`, text: process.env.PROMPT };

// Each: (names of the tools, call(name, arguments) -> text or object, close()).
const connect = {
  async langchain() {
    const { MultiServerMCPClient } = await import("@langchain/mcp-adapters");
    const client = new MultiServerMCPClient({ mcpServers: { weir: { transport: "http", url, headers } } });
    const tools = await client.getTools();
    const find = (name) => tools.find((tool) => tool.name === name);
    return [tools.map((tool) => tool.name), (name, input) => find(name).invoke(input), () => client.close()];
  },
  async "ai-sdk"() {
    const { createMCPClient } = await import("@ai-sdk/mcp");
    const client = await createMCPClient({ transport: { type: "http", url, headers } });
    const tools = await client.tools();
    const call = (name, input) => tools[name].execute(input, { toolCallId: "call-1", messages: [] });
    return [Object.keys(tools), call, () => client.close()];
  },
  async "openai-agents"() {
    const { MCPServerStreamableHttp } = await import("@openai/agents");
    const server = new MCPServerStreamableHttp({ url, name: "weir", requestInit: { headers } });
    await server.connect();
    const tools = await server.listTools();
    return [tools.map((tool) => tool.name), (name, input) => server.callTool(name, input), () => server.close()];
  },
};

async function agentLoop() {
  const { Agent, MCPServerStreamableHttp, OpenAIChatCompletionsModel, run, setTracingDisabled } = await import("@openai/agents");
  const { default: OpenAI } = await import("openai");
  setTracingDisabled(true);
  const server = new MCPServerStreamableHttp({ url, name: "weir", requestInit: { headers } });
  await server.connect();
  try {
    const model = new OpenAIChatCompletionsModel(
      new OpenAI({ apiKey: "none", baseURL: process.env.MODEL_URL }), "scripted");
    const agent = new Agent({ name: "Scribe", instructions: "Register yourself.", model, mcpServers: [server] });
    return (await run(agent, "Begin.")).finalOutput;
  } finally {
    await server.close();
  }
}

const [names, call, close] = await connect[framework]();
const said = { names };
said.registered = await call("register_context", context);
said.shared = await call("get_shared_context", { agent: context.agent });
said.memory = await call("memory_status", {});
await close();
if (framework === "openai-agents") said.loop = await agentLoop();
console.log(JSON.stringify(said));
process.exit(0);
