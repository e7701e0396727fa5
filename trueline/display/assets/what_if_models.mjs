// Who answers: onnxruntime-web within the page, or the local app. Rows go one request after the other, and long work
// in pieces that leave the page its frames.

import { load } from "./graph.mjs";
import { decodeNumber, encode } from "./what_if_core.mjs";

const FRAME_MS = 12;
const MOST_AT_ONCE = 500;

/** The bytes of a part of the page, which lies there as compressed base64. */
async function part(text) {
  const packed = atob(text.trim());
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function textOf(document, name) {
  const inside = document.getElementById(`part-${name}`)?.textContent;
  const found = inside ?? globalThis.truelineParts?.[name];
  if (found === undefined) throw new Error(`The page lacks ${name}: keep the folder that was written with it beside it.`);
  return found;
}

/** Models in the page: a function (number of the model, rows) to answers. */
export async function inPage(document, about) {
  const script = new Blob([await part(textOf(document, "runtime"))], { type: "text/javascript" });
  const address = URL.createObjectURL(script);
  const ort = await import(address);
  URL.revokeObjectURL(address);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await part(textOf(document, "wasm"));
  ort.env.logLevel = "error";
  const graphs = [];
  for (let m = 0; m < about.models.length; m++) graphs.push(await load(ort, await part(textOf(document, `model-${m}`))));
  return async (model, rows) => {
    const found = await graphs[model].run(rows);
    return found.map((row) => answer(about, row));
  };
}

function answer(about, row) {
  if (about.classes === null) return { score: row[about.task === "ranking" ? "score" : "prediction"], label: null };
  const label = about.classes.indexOf(String(row.label));
  const score = row.probabilities;
  return { score, label: label >= 0 ? label : score.indexOf(Math.max(...score)) };
}

/** Models behind the local app. */
export function behindApp(about) {
  return async (model, rows) => {
    const body = JSON.stringify({ model, rows: rows.map((r) => Object.fromEntries(Object.entries(r).map(([k, v]) => [k, encode(v)]))) });
    const response = await fetch(about.endpoint, { method: "POST", headers: { "content-type": "application/json" }, body });
    const found = await response.json().catch(() => ({ error: `the app answered ${response.status}` }));
    if (!response.ok) throw Object.assign(new Error(found.error), { problems: found.problems ?? [] });
    return found.scores.map((score, i) => ({
      score: Array.isArray(score) ? score.map(decodeNumber) : decodeNumber(score),
      label: found.labels === null ? null : found.labels[i],
    }));
  };
}

/** Asks one thing after the other; an edit waits for one piece of longer work at most. */
export class Queue {
  #last = Promise.resolve();

  constructor(ask, size = 8) {
    this.ask = ask;
    this.size = size;
  }

  #next(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Answers of a few rows; null where `stop()` says, when their turn comes, that nobody waits for them any more. */
  now(model, rows, stop = () => false) {
    return this.#next(() => (stop() ? null : this.ask(model, rows)));
  }

  /** Answers of many rows, in pieces that take about a frame; null once `stop()` says so. */
  async many(model, rows, stop) {
    const found = [];
    while (found.length < rows.length) {
      if (stop()) return null;
      const piece = rows.slice(found.length, found.length + this.size);
      const began = performance.now();
      found.push(...(await this.#next(() => (stop() ? piece.map(() => null) : this.ask(model, piece)))));
      const took = performance.now() - began;
      if (piece.length === this.size && took < FRAME_MS / 2) this.size = Math.min(2 * this.size, MOST_AT_ONCE);
      else if (took > 2 * FRAME_MS && this.size > 1) this.size = this.size >> 1;
      await new Promise((go) => setTimeout(go));
    }
    return stop() ? null : found;
  }
}
