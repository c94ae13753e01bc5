// The official TypeScript client, against a server of ours. It is copied beside
// its node_modules and run by TestTheTypeScriptClient:
//
//   node client.mjs stdio COMMAND ARG...
//   node client.mjs http URL SECRET
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [way, target, ...rest] = process.argv.slice(2);
const transport = way === "stdio"
  ? new StdioClientTransport({ command: target, args: rest, env: process.env })
  : new StreamableHTTPClientTransport(new URL(target), { requestInit: { headers: { Authorization: `Bearer ${rest[0]}` } } });
const client = new Client({ name: "typescript", version: "1" });
await client.connect(transport);

const { tools } = await client.listTools();
const inputs = JSON.parse(process.env.INPUTS);
for (const tool of tools) {
  assert.ok(inputs[tool.name], `no input for ${tool.name}`);
  const result = await client.callTool({ name: tool.name, arguments: inputs[tool.name] });
  assert.ok(!result.isError, `${tool.name}: ${JSON.stringify(result)}`);
  console.log("called", tool.name);
}

const wrong = await client.callTool({ name: "delegate_task", arguments: {} });
assert.ok(wrong.isError && wrong.content[0].text.includes("workspace_id"), JSON.stringify(wrong));

// An approval takes as long as a person does; meanwhile others are answered, and
// it ends when it is canceled.
const controller = new AbortController();
const waiting = client.callTool({ name: "request_approval", arguments: { action: "wait", reason: "for ever" } }, undefined, { signal: controller.signal });
await client.ping();
await Promise.all(Array.from({ length: 100 }, () => client.callTool({ name: "get_workspace_info", arguments: {} })));
controller.abort();
await assert.rejects(waiting);
await client.ping();
await client.close();
console.log("done", tools.length);
