// Values, distances and counts of the what-if page: pure functions, which run in node as well.

import { microseconds } from "./iso_time.mjs";
import { parseRows } from "./feeds.mjs";

const NOT_FINITE = new Map([["NaN", NaN], ["Infinity", Infinity], ["-Infinity", -Infinity]]);
const FLOATS = new Set(["float64", "float32"]);
const NUMBERS = new Set(["float64", "float32", "int64", "timestamp"]);

/** A raw value out of the page's JSON: numbers that are not finite, and integers beyond 2^53, stand there as texts. */
export function decode(field, value) {
  if (Array.isArray(value)) return value.map((v) => decode(field, v));
  if (typeof value !== "string") return value;
  if (FLOATS.has(field.dtype)) return NOT_FINITE.has(value) ? NOT_FINITE.get(value) : value;
  return field.dtype === "int64" && /^-?[0-9]{16,}$/.test(value) ? BigInt(value) : value;
}

/** The JSON of a raw value; the inverse of `decode`. */
export function encode(value) {
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** A number out of JSON. */
export function decodeNumber(value) {
  return typeof value === "string" && NOT_FINITE.has(value) ? NOT_FINITE.get(value) : value;
}

/** What a field's text means; a text that means nothing goes on as it is, and the feeds say what is wrong with it. */
export function parsed(field, text) {
  if (field.kind === "scalar") {
    if (field.dtype === "utf8") return text;
    if (field.dtype === "timestamp") return /^-?[0-9]+$/.test(text.trim()) ? whole(text.trim()) : text.trim();
    if (FLOATS.has(field.dtype) && NOT_FINITE.has(text.trim())) return NOT_FINITE.get(text.trim());
    if (FLOATS.has(field.dtype) && /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/.test(text.trim())) return Number(text);
    if (field.dtype === "int64" && /^[-+]?[0-9]+$/.test(text.trim())) return whole(text.trim());
    return text;
  }
  try {
    return decode(field, parseRows(text));
  } catch {
    return text;
  }
}

function whole(text) {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number + 0 : BigInt(text);
}

/** A raw value as it is typed. */
export function typed(field, value) {
  if (value === null || value === undefined) return "";
  return field.kind === "scalar" ? String(value) : JSON.stringify(encode(value));
}

export function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => same(v, b[i]));
  if (typeof a === "bigint" || typeof b === "bigint") return a != null && b != null && String(a) === String(b);
  return Object.is(a, b) || a === b;
}

/** A number for a scale: times are microseconds. */
export function place(field, value) {
  if (value === null || value === undefined) return NaN;
  if (field.dtype === "timestamp" && typeof value === "string") {
    const found = microseconds(value);
    return found === null ? NaN : Number(found);
  }
  return Number(value);
}

/** Gower's distance of two rows of values, by the rules of trueline.model_analysis.explain.distance. */
export function gower(fields, one, other) {
  let total = 0;
  fields.forEach((field, i) => (total += apart(field, one[i], other[i])));
  return total / fields.length;
}

function apart(field, a, b) {
  const [noA, noB] = [absent(field, a), absent(field, b)];
  if (noA || noB) return noA && noB ? 0 : 1;
  if (field.kind === "ragged") return jaccard(a, b);
  const [x, y] = field.kind === "fixed" ? [a, b] : [[a], [b]];
  let sum = 0;
  for (let w = 0; w < x.length; w++) sum += gap(field, x[w], y[w], field.spread[w] ?? 1);
  return x.length ? sum / x.length : 0;
}

function gap(field, a, b, spread) {
  if (!NUMBERS.has(field.dtype)) return same(a, b) || JSON.stringify(a) === JSON.stringify(b) ? 0 : 1;
  const [x, y] = [place(field, a), place(field, b)];
  if (x === y) return 0;
  const far = Math.min(Math.abs(x - y) / spread, 1);
  return Number.isNaN(far) ? 1 : far;
}

function absent(field, value) {
  if (value === null || value === undefined) return true;
  if (!FLOATS.has(field.dtype) || field.kind === "ragged") return false;
  return (Array.isArray(value) ? value : [value]).every(Number.isNaN);
}

function jaccard(a, b) {
  const [x, y] = [new Set(a.map(String)), new Set(b.map(String))];
  const shared = [...x].filter((v) => y.has(v)).length;
  const all = x.size + y.size - shared;
  return all ? 1 - shared / all : 0;
}

/** The place of the class that is said, or, of a number, 1 where it is at least the threshold. */
export function outcome(classes, score, label, threshold) {
  if (classes === null) return Number.isNaN(score) ? null : +(score >= threshold);
  if (threshold === null) return label ?? score.indexOf(Math.max(...score));
  return +(Math.fround(score[1]) >= Math.fround(threshold));
}

/** Rows by true and said class: `[true][said]`; rows without a label are left out. */
export function confusion(classes, pairs) {
  const counts = classes.map(() => classes.map(() => 0));
  for (const [truth, said] of pairs) if (truth !== null && said !== null) counts[truth][said] += 1;
  return counts;
}

/** Rates of two classes; null is undefined, never 0. */
export function rates([[tn, fp], [fn, tp]]) {
  const share = (a, b) => (b ? a / b : null);
  return {
    rows: tn + fp + fn + tp, tp, fp, fn, tn,
    accuracy: share(tp + tn, tn + fp + fn + tp),
    precision: share(tp, tp + fp),
    recall: share(tp, tp + fn),
    "false positive rate": share(fp, fp + tn),
    "said positive": share(tp + fp, tn + fp + fn + tp),
  };
}

/** Errors of numbers: `[truth, said]` pairs. */
export function errors(pairs) {
  const apart = pairs.filter(([t, s]) => t !== null && Number.isFinite(t) && Number.isFinite(s)).map(([t, s]) => s - t);
  const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);
  const squares = mean(apart.map((v) => v * v));
  return {
    rows: apart.length,
    "mean error": mean(apart),
    "mean absolute error": mean(apart.map(Math.abs)),
    "root mean squared error": squares === null ? null : Math.sqrt(squares),
  };
}

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return 0;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A number for people. */
export function shown(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(digits - 1);
  return value.toLocaleString("en", { maximumSignificantDigits: digits });
}

export function percent(value) {
  return value === null ? "–" : `${(100 * value).toFixed(1)} %`;
}

const UNSEEN = /[\p{Cc}\p{Cf}]/gu;

/** A text of the data with what one cannot see, or what turns the letters around, as escapes. */
export function visible(text) {
  return String(text).replace(UNSEEN, (c) => (c === "\u200c" || c === "\u200d" ? c : `\\u{${c.codePointAt(0).toString(16)}}`));
}

/** A raw value for people. */
export function told(field, value) {
  if (value === null || value === undefined) return "missing";
  if (field.dtype === "bytes") return "bytes";
  if (field.kind === "scalar" && FLOATS.has(field.dtype)) return shown(value, 6);
  const text = field.kind === "scalar" ? String(value) : JSON.stringify(encode(value));
  const seen = text === "" ? "(empty)" : visible(text);
  return seen.length > 60 ? `${seen.slice(0, 57)}...` : seen;
}
