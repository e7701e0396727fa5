// A trueline graph in the browser or in node: rows in, rows out, by onnxruntime-web.
//
//   import * as ort from "./ort/ort.wasm.bundle.min.mjs";
//   import { load } from "./graph.mjs";
//   const graph = await load(ort, "transform.onnx");
//   const [row] = await graph.run([{ fare: 12.5, company: "Blue" }]);

import { Feeds, LENGTH, PRESENT } from "./feeds.mjs";

const FEEDS_KEY = "trueline.feeds";
const OUTPUT_PREFIX = "transformed:";

/** A loaded graph. */
export class Graph {
  constructor(ort, session, feeds) {
    this.ort = ort;
    this.session = session;
    this.feeds = feeds;
  }

  /**
   * The graph's outputs for rows of named values, one object a row; see `Feeds.fromRows` for rules and errors and
   * `toRows` for what comes out.
   */
  async run(rows) {
    if (Array.isArray(rows) && rows.length === 0) return []; // of which some kernels (TopK) make a division by zero
    return toRows(await this.runTensors(rows));
  }

  /** As `run`, the tensors as onnxruntime-web gives them; of at least one row. */
  async runTensors(rows) {
    const tensors = this.feeds.tensors(this.ort, rows);
    const given = Object.fromEntries(this.session.inputNames.map((name) => [name, tensors[name]]));
    return this.session.run(given);
  }
}

/**
 * Loads a graph that trueline wrote: ``transform.onnx``, or a model's ``model.onnx``.
 *
 * @param ort onnxruntime-web.
 * @param source the graph's URL, or its bytes (Uint8Array).
 * @param options of `ort.InferenceSession.create`.
 */
export async function load(ort, source, options = {}) {
  const bytes = source instanceof Uint8Array ? source : await fetched(source);
  const feeds = feedsOf(bytes);
  return new Graph(ort, await ort.InferenceSession.create(bytes, options), feeds);
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The feeds that a graph's own description asks for; it lies in the metadata of the ONNX file. */
export function feedsOf(bytes) {
  const found = metadata(bytes).get(FEEDS_KEY);
  if (found === undefined) throw new Error(`the ONNX file has no ${FEEDS_KEY}: trueline did not write it`);
  return new Feeds(JSON.parse(found));
}

/**
 * One object a row, by output name. Missing values are null; integers are numbers, or BigInt beyond 2^53; times are
 * integers, microseconds since 1970 UTC; vectors and lists are arrays.
 *
 * @param results tensors by name, as a session gives them.
 */
export function toRows(results) {
  const names = Object.keys(results);
  const known = new Set(names);
  const marks = new Set([PRESENT, LENGTH].flatMap((end) => names.map((name) => name + end)));
  const values = names.filter((name) => !marks.has(name));
  const columns = values.map((name) => {
    const part = (end) => (known.has(name + end) ? results[name + end].data : null);
    const short = name.startsWith(OUTPUT_PREFIX) ? name.slice(OUTPUT_PREFIX.length) : name;
    return [short, reader(results[name], part(PRESENT), part(LENGTH))];
  });
  const rows = values.length ? results[values[0]].dims[0] : 0;
  return Array.from({ length: rows }, (_, i) => Object.fromEntries(columns.map(([name, read]) => [name, read(i)])));
}

function reader({ type, data, dims }, present, lengths) {
  const plain = PLAIN[type] ?? ((v) => v);
  const one = dims.length === 1 ? (i) => plain(data[i]) : (i) => vector(i);
  function vector(i) {
    const size = lengths === null ? dims[1] : Number(lengths[i]);
    return Array.from(data.slice(i * dims[1], i * dims[1] + size), plain);
  }
  return (i) => (present !== null && !present[i] ? null : one(i));
}

const PLAIN = {
  bool: (v) => Boolean(v),
  int64: (v) => (Number.isSafeInteger(Number(v)) ? Number(v) : v),
};

/** What an ONNX file says of itself: the strings of `ModelProto.metadata_props` by key. */
export function metadata(bytes) {
  const found = new Map();
  for (const [field, entry] of messages(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const text = new Map(messages(entry).map(([number, value]) => [number, new TextDecoder().decode(value)]));
    found.set(text.get(1) ?? "", text.get(2) ?? "");
  }
  return found;
}

const METADATA_PROPS = 14;

/** The fields of a protobuf message that have a length (text, messages): number and bytes. */
function messages(bytes) {
  const found = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= bytes.length || factor > 2 ** 63) throw new Error("this is no ONNX file");
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const size = varint();
      if (at + size > bytes.length) throw new Error("this is no ONNX file");
      found.push([Math.floor(tag / 8), bytes.subarray(at, at + size)]);
      at += size;
    } else throw new Error("this is no ONNX file");
  }
  return found;
}
