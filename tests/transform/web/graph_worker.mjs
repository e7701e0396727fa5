// Answers one JSON line with another: rows into a graph, what onnxruntime-web gives out of it. Runs in node.
import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { decode, encode } from "./codec.mjs";

const [scripts, runtime] = process.argv.slice(2).map((path) => `${pathToFileURL(path)}/`);
const { load } = await import(new URL("graph.mjs", scripts));
const ort = await import(new URL("ort.node.min.mjs", runtime));
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

const graphs = new Map();
async function answer({ graph, rows, arrays, forget }) {
  try {
    if (forget) {
      await graphs.get(graph)?.session.release();
      graphs.delete(graph);
      return {};
    }
    if (!graphs.has(graph)) graphs.set(graph, await load(ort, new Uint8Array(await readFile(graph))));
    const given = decode(rows);
    const loaded = graphs.get(graph);
    if (arrays) return { arrays: encode(await loaded.runTensors(given)) };
    return { rows: await loaded.run(given) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

const text = (_, value) => (typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)), text)}\n`);
}
