// The official JavaScript client and LangChain's embeddings against /v1/embeddings. Prints one JSON object.
// usage: openai_client.mjs URL TOKEN SLOW_TOKEN TEXTS-AS-JSON
import OpenAI from "openai";
import { OpenAIEmbeddings } from "@langchain/openai";

const [url, apiKey, slowKey, textsJson] = process.argv.slice(2);
const texts = JSON.parse(textsJson);
const baseURL = `${url}/v1`;
const model = "minilm";
const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });

async function nameOfError(work) {
  try {
    await work();
    return "none";
  } catch (error) {
    return `${error.constructor.name} ${error.status} ${error.code}`;
  }
}

// How often and with what pause a client of one request a second is sent back, until it is let in.
async function overload() {
  const refused = await nameOfError(async () => {
    const impatient = new OpenAI({ apiKey: slowKey, baseURL, maxRetries: 0 });
    for (let i = 0; i < 20; i++) await impatient.models.list();
  });
  const begun = performance.now();
  const patient = new OpenAI({ apiKey: slowKey, baseURL, maxRetries: 5 });
  await patient.models.list();
  return { refused, waited_ms: performance.now() - begun };
}

const batch = await client.embeddings.create({ model, input: texts });
const floats = await client.embeddings.create({ model, input: texts, encoding_format: "float" });
const singles = await Promise.all(texts.map((text) => client.embeddings.create({ model, input: text })));
const models = [];
for await (const one of client.models.list()) models.push(one.id);

const langchain = new OpenAIEmbeddings({ model, apiKey, configuration: { baseURL }, stripNewLines: false });
const documents = await langchain.embedDocuments(texts);
const query = await langchain.embedQuery(texts[0]);

const errors = {
  model: await nameOfError(() => client.embeddings.create({ model: "no-such", input: "x" })),
  token: await nameOfError(() => new OpenAI({ apiKey: "wrong", baseURL, maxRetries: 0 }).models.list()),
  empty: await nameOfError(() => client.embeddings.create({ model, input: "" })),
  unknown: await nameOfError(() => client.embeddings.create({ model, input: "x", colour: "red" })),
};

console.log(JSON.stringify({
  batch: batch.data.map((one) => Array.from(one.embedding)),
  indices: batch.data.map((one) => one.index),
  usage: batch.usage,
  floats: floats.data.map((one) => one.embedding),
  singles: singles.map((one) => Array.from(one.data[0].embedding)),
  models,
  documents,
  query,
  errors,
  overload: await overload(),
}));
