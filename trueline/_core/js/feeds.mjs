// The road into onnxruntime-web: from rows of named values to the arrays that a graph over `features` takes.
//
// The rules are those of trueline's `Feeds` in Python, which also feeds in bulk and in the server. A scalar feature is
// an array of shape [N], a fixed one [N, size], a ragged one is padded to [N, K] with its lengths in int64
// `<name>:length`. An optional feature comes with bool `<name>:present`; a missing value (null, undefined, or no such
// key) is fed as 0, "" or false and marked. A required feature has no such mark, and a missing value is an error.
//
//   float64    number or BigInt; never a boolean or text. NaN and Infinity are values.
//   int64      whole number or BigInt. A number beyond 2^53 has lost digits and is refused: give a BigInt, or decimal
//              text (text of a smaller one is refused, as in Python). JavaScript cannot tell 1.0 from 1: both are taken.
//   bool       true and false.
//   utf8       text without half surrogate pairs and without U+0000, at which onnxruntime-web would cut it.
//   timestamp  microseconds since 1970 UTC, as int64 is given, or ISO 8601 text; without a zone it is UTC.
//   lists      arrays or typed arrays; nothing is missing inside. A list of one value is taken for a scalar.

import { microseconds } from "./iso_time.mjs";

export const PRESENT = ":present";
export const LENGTH = ":length";
const MOST_LISTED = 20;

/** Values that do not fit a model's signature; `problems` has one entry for each row and field. */
export class FeedError extends Error {
  constructor(message, problems = [], hint = null) {
    const listed = problems.slice(0, MOST_LISTED).map((p) => `  - ${p}`);
    if (problems.length > MOST_LISTED) listed.push(`  - and ${problems.length - MOST_LISTED} more`);
    super([message, ...listed, ...(hint ? [`Hint: ${hint}`] : [])].join("\n"));
    this.name = "FeedError";
    this.problems = problems;
    this.hint = hint;
  }
}

/** Why a value is not taken. */
class Refusal {
  constructor(why = "") {
    this.why = why;
  }
}

const PLAIN_REFUSAL = new Refusal();

function takeFloat(value) {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : PLAIN_REFUSAL;
}

function takeInteger(value) {
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return BigInt(value);
    if (!Number.isInteger(value)) return PLAIN_REFUSAL;
    return new Refusal(Math.abs(value) < 2 ** 63 ? ", beyond 2^53: give a BigInt or text" : ", beyond 64 bits");
  }
  let whole = value;
  if (typeof value === "string") {
    if (!/^-?[0-9]{16,}$/.test(value)) return PLAIN_REFUSAL;
    whole = BigInt(value);
    if (Number.isSafeInteger(Number(whole))) return PLAIN_REFUSAL;
  }
  if (typeof whole !== "bigint") return PLAIN_REFUSAL;
  return BigInt.asIntN(64, whole) === whole ? whole : new Refusal(", beyond 64 bits");
}

function takeTime(value) {
  const moment = typeof value === "string" ? microseconds(value) : null;
  return moment === null ? takeInteger(value) : moment;
}

function takeText(value) {
  if (typeof value !== "string") return PLAIN_REFUSAL;
  if (value.includes("\0")) return new Refusal(", which contains U+0000");
  return isWellFormed(value) ? value : new Refusal(", half of a surrogate pair");
}

/** What `String.prototype.isWellFormed` says, which older browsers lack. */
function isWellFormed(text) {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}

const TYPES = new Map([
  ["float64", { type: "float64", make: (n) => new Float64Array(n), take: takeFloat }],
  ["float32", { type: "float32", make: (n) => new Float32Array(n), take: takeFloat }],
  ["int64", { type: "int64", make: (n) => new BigInt64Array(n), take: takeInteger }],
  ["bool", { type: "bool", make: (n) => new Uint8Array(n), take: (v) => (typeof v === "boolean" ? +v : PLAIN_REFUSAL) }],
  ["utf8", { type: "string", make: (n) => new Array(n).fill(""), take: takeText }],
  ["timestamp", { type: "int64", make: (n) => new BigInt64Array(n), take: takeTime }],
]);
const KINDS = new Set(["scalar", "fixed", "ragged"]);

/** Turns rows into the arrays that a graph over `features` takes. */
export class Feeds {
  /** @param features what the graph reads, as Python's `Feeds.to_json` gives it. */
  constructor(features) {
    this.features = features.map(checkedFeature);
    this.byName = new Map(this.features.map((f) => [f.name, f]));
    if (this.byName.size !== this.features.length) throw new FeedError("two features of a model share a name");
  }

  /**
   * Arrays by input name: `{type, data, dims}`, what `ort.Tensor` takes.
   *
   * @param rows an array of objects.
   * @throws FeedError with unknown fields, wrong types and missing required values: all of them, by row and field.
   */
  fromRows(rows) {
    if (!Array.isArray(rows)) throw new FeedError(`expected an array of rows, got ${kindOf(rows)}`);
    const problems = [];
    const good = rows.map((row, i) => this.#checkedRow(row, i, problems));
    const arrays = new Map();
    for (const feature of this.features) {
      const values = good.map((row) => (Object.hasOwn(row, feature.name) ? row[feature.name] ?? null : null));
      const column = feature.kind === "scalar" ? scalars(feature, values, problems) : lists(feature, values, problems);
      if (!feature.optional) {
        column.present.forEach((there, i) => there || column.refused.has(i) || problems.push(required(feature, i)));
      }
      put(arrays, feature, column, rows.length);
    }
    if (problems.length) {
      const known = [...this.byName.keys()].sort().join(", ");
      const hint = problems[0].includes(": unknown field ") ? `There is: ${known}.` : null;
      throw new FeedError("the data does not fit the model's signature", problems, hint);
    }
    return Object.fromEntries(arrays);
  }

  /** As `fromRows`, as tensors of the onnxruntime that is given. */
  tensors(ort, rows) {
    const entries = Object.entries(this.fromRows(rows));
    return Object.fromEntries(entries.map(([name, a]) => [name, new ort.Tensor(a.type, a.data, a.dims)]));
  }

  #checkedRow(row, i, problems) {
    if (row === null || typeof row !== "object" || Array.isArray(row) || ArrayBuffer.isView(row)) {
      problems.push(`row ${i}: expected an object of named values, got ${kindOf(row)}`);
      return {};
    }
    for (const name of Object.keys(row)) {
      if (!this.byName.has(name)) problems.push(`row ${i}: unknown field ${quoted(name)}`);
    }
    return row;
  }
}

function checkedFeature(given) {
  const { name, dtype, kind = "scalar", optional = true, size = null } = given;
  if (dtype === "bytes") throw new FeedError(`${quoted(name)} is bytes, which only a host step can read`);
  const sized = kind === "fixed" ? Number.isSafeInteger(size) && size >= 0 : size === null;
  if (typeof name !== "string" || !TYPES.has(dtype) || !KINDS.has(kind) || typeof optional !== "boolean" || !sized) {
    throw new FeedError(`no description of a feature: ${JSON.stringify(given)}`);
  }
  return { name, dtype, kind, optional, size };
}

/** Sets `out[at]` to the value; false, and a problem noted, where it does not fit. */
function store(feature, out, at, row, value, problems) {
  const taken = TYPES.get(feature.dtype).take(value);
  if (!(taken instanceof Refusal)) {
    out[at] = taken;
    return true;
  }
  problems.push(wrong(feature, row, value, taken.why));
  return false;
}

function scalars(feature, values, problems) {
  const data = TYPES.get(feature.dtype).make(values.length);
  const present = new Uint8Array(values.length);
  const refused = new Set();
  values.forEach((given, i) => {
    const value = isList(given) && given.length === 1 ? given[0] : given;
    if (value === null || value === undefined) return;
    if (store(feature, data, i, i, value, problems)) present[i] = 1;
    else refused.add(i);
  });
  return { data, present, refused, dims: [values.length] };
}

function lists(feature, values, problems) {
  const present = new Uint8Array(values.length);
  const refused = new Set();
  const rows = values.map((value, i) => {
    if (value === null) return [];
    let why = null;
    if (!isList(value)) why = ": a list is needed";
    else if (feature.kind === "fixed" && value.length !== feature.size) why = `: ${feature.size} values are needed`;
    if (why === null) {
      present[i] = 1;
      return Array.from(value);
    }
    problems.push(wrong(feature, i, value, why));
    refused.add(i);
    return [];
  });
  const width = feature.kind === "fixed" ? feature.size : rows.reduce((most, row) => Math.max(most, row.length), 0);
  const data = TYPES.get(feature.dtype).make(values.length * width);
  rows.forEach((row, i) => row.forEach((value, j) => {
    if (value === null || value === undefined) problems.push(wrong(feature, i, null, ": no missing values inside a list"));
    else store(feature, data, i * width + j, i, value, problems);
  }));
  const lengths = BigInt64Array.from(rows, (row) => BigInt(row.length));
  return { data, present, refused, dims: [values.length, width], lengths };
}

function put(arrays, feature, column, rows) {
  arrays.set(feature.name, { type: TYPES.get(feature.dtype).type, data: column.data, dims: column.dims });
  if (feature.kind === "ragged") {
    arrays.set(feature.name + LENGTH, { type: "int64", data: column.lengths, dims: [rows] });
  }
  if (feature.optional) arrays.set(feature.name + PRESENT, { type: "bool", data: column.present, dims: [rows] });
}

function isList(value) {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function kindOf(value) {
  return value === null ? "null" : isList(value) ? "list" : typeof value;
}

function quoted(text) {
  return `'${text}'`;
}

function shown(value) {
  let text;
  try {
    text = typeof value === "bigint" || typeof value === "number" ? String(value)
      : JSON.stringify(isList(value) ? Array.from(value).slice(0, 20) : value, (_, v) => (typeof v === "bigint" ? String(v) : v));
  } catch {
    text = String(value); // what refers to itself
  }
  text ??= String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function wrong(feature, row, value, why) {
  return `row ${row}, field ${quoted(feature.name)}: expected ${feature.dtype}, got ${kindOf(value)} ${shown(value)}${why}`;
}

function required(feature, row) {
  return `row ${row}, field ${quoted(feature.name)}: expected ${feature.dtype}, got no value (required)`;
}

/**
 * Rows from JSON text, with every digit of an integer: what lies beyond 2^53 becomes a BigInt, and -0 is 0.
 *
 * @throws SyntaxError where the text is no JSON.
 */
export function parseRows(text) {
  JSON.parse(text); // its own errors name places in the text as it was given
  let mark = "#";
  while (text.includes(mark)) mark += "#";
  const token = /"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/g;
  const marked = text.replace(token, (found) => {
    if (!/^-?[0-9]+$/.test(found)) return found;
    if (found === "-0") return "0";
    return Number.isSafeInteger(Number(found)) ? found : `"${mark}${found}"`;
  });
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value);
}
