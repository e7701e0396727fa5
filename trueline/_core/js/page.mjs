// The page that tries a graph: a form made of what the graph reads, and its answer.

import { parseRows } from "./feeds.mjs";
import { load } from "./graph.mjs";

const MOST_BARS = 12;
const INPUT_MODES = { float64: "decimal", int64: "numeric" };

/** Fills the page and sets `document.body.dataset.state` to ``ready`` or ``failed``. */
export async function start(document) {
  const find = (selector) => document.querySelector(selector);
  try {
    const about = await (await fetch("./feeds.json")).json();
    const ort = await import(new URL(about.runtime, document.baseURI)).catch(() => {
      throw new Error(`There is no onnxruntime-web at ${about.runtime}: copy ort.wasm.bundle.min.mjs and ` +
        "ort-wasm-simd-threaded.wasm from the npm package's folder dist to there.");
    });
    ort.env.wasm.numThreads = 1;
    const graph = await load(ort, about.graph);
    if (about.name) find("h1").textContent = document.title = about.name;
    const form = find("form");
    form.append(...about.features.map((f) => field(document, f, example(about, f))), buttons(document, about));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      await answer(document, about, graph);
    });
    document.body.dataset.state = "ready";
  } catch (error) {
    find("[role=alert]").textContent = error.message;
    document.body.dataset.state = "failed";
  }
}

function make(document, tag, set = {}, ...children) {
  const element = Object.assign(document.createElement(tag), set);
  element.append(...children);
  return element;
}

/** A field's example as it is typed; empty where there is none. */
function example(about, { name, dtype, kind }) {
  const value = about.examples?.[name];
  if (value === undefined || value === null) return "";
  const text = kind === "scalar" && (dtype === "utf8" || dtype === "timestamp");
  return text ? String(value) : JSON.stringify(value);
}

function field(document, { name, dtype, kind, size, optional }, given) {
  const shape = { fixed: `[${size}]`, ragged: "[...]" }[kind] ?? "";
  const note = make(document, "small", { textContent: ` ${dtype}${shape}${optional ? "" : ", required"}` });
  const input = make(document, "input", { name, value: given, placeholder: given, required: !optional });
  input.autocomplete = "off";
  input.dataset.example = given;
  if (kind === "scalar" && INPUT_MODES[dtype]) input.inputMode = INPUT_MODES[dtype];
  const parts = [name, note, input];
  if (dtype === "bool" && kind === "scalar") {
    const options = ["true", "false"].map((value) => make(document, "option", { value }));
    parts.push(make(document, "datalist", { id: `choices of ${name}` }, ...options));
    input.setAttribute("list", `choices of ${name}`);
  }
  const wrong = make(document, "span", { className: "wrong", id: `wrong with ${name}` });
  return make(document, "label", {}, ...parts, wrong);
}

function buttons(document, about) {
  const row = make(document, "div", { className: "buttons" });
  row.append(make(document, "button", { textContent: about.classes !== undefined ? "Predict" : "Compute" }));
  const fill = (text, value) => {
    const button = make(document, "button", { type: "button", textContent: text });
    button.addEventListener("click", () => {
      for (const input of document.querySelectorAll("form input")) input.value = value(input);
    });
    return button;
  };
  if (about.examples) row.append(fill("Fill in the example", (input) => input.dataset.example));
  row.append(fill("Empty all", () => ""));
  return row;
}

/** Computes what the form holds; errors stand beneath their fields and together above the answer. */
async function answer(document, about, graph) {
  const find = (selector) => document.querySelector(selector);
  clear(document);
  const row = Object.fromEntries(about.features.map((f) => [f.name, value(document, f)]));
  try {
    const began = performance.now();
    const [found] = await graph.run([row]);
    const took = performance.now() - began;
    show(document, about, found, took);
  } catch (error) {
    find("[role=alert]").textContent = error.message;
    blame(document, about, error.problems ?? []);
  }
}

function clear(document) {
  const find = (selector) => document.querySelector(selector);
  find("[role=alert]").textContent = find("pre").textContent = "";
  find("#answer").hidden = find("details").hidden = true;
  for (const input of document.querySelectorAll("form input")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  for (const wrong of document.querySelectorAll(".wrong")) wrong.textContent = "";
}

/** A field's value: JSON, or text as it stands; what is no JSON goes on as text, and the feeds say what is wrong. */
function value(document, { name, dtype, kind }) {
  const text = document.querySelector("form").elements.namedItem(name).value;
  if (text === "") return null;
  const plain = kind === "scalar" && (dtype === "utf8" || (dtype === "timestamp" && !/^-?[0-9]+$/.test(text)));
  if (plain) return text;
  try {
    return parseRows(text);
  } catch {
    return text;
  }
}

/** Puts each problem beneath its field, and the cursor into the first. */
function blame(document, about, problems) {
  let first = null;
  for (const { name } of about.features) {
    const own = problems.filter((problem) => problem.includes(`field '${name}'`));
    if (!own.length) continue;
    const input = document.querySelector("form").elements.namedItem(name);
    const wrong = input.closest("label").querySelector(".wrong");
    wrong.textContent = own.map((p) => p.replace(/^(row \d+, )?field '.*?': /, "")).join("\n");
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", wrong.id);
    first ??= input;
  }
  first?.focus();
}

function show(document, about, found, took) {
  const find = (selector) => document.querySelector(selector);
  find("pre").textContent = JSON.stringify(found, (_, v) =>
    typeof v === "bigint" || (typeof v === "number" && !Number.isFinite(v)) ? String(v) : v, 1);
  const model = about.classes !== undefined;
  find("details").hidden = false;
  find("details").open = !model;
  if (!model) return;
  const [score] = about.outputs.map((o) => o.name);
  const scores = found[score];
  const bars = find("#bars");
  bars.replaceChildren();
  find("#answer").hidden = false;
  find("#note").textContent = `Computed on this device in ${took.toFixed(1)} ms.`;
  if (about.classes === null || !Array.isArray(scores)) {
    find("#answer h2").textContent = `${score}: ${Array.isArray(scores) ? JSON.stringify(scores) : plain(scores)}`;
    return;
  }
  find("#answer h2").textContent = String(found.label);
  const order = scores.map((_, i) => i);
  if (order.length > MOST_BARS) {
    order.sort((a, b) => scores[b] - scores[a]);
    find("#note").textContent += ` The ${MOST_BARS} likeliest of ${order.length} classes.`;
  }
  for (const i of order.slice(0, MOST_BARS)) bars.append(bar(document, about.classes[i], scores[i], found.label));
}

function bar(document, name, score, chosen) {
  const fill = make(document, "div", { className: "fill" });
  fill.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
  return make(
    document,
    "div",
    { className: String(name) === String(chosen) ? "most" : "" },
    make(document, "dt", { textContent: String(name) }),
    make(document, "div", { className: "track" }, fill),
    make(document, "dd", { textContent: `${(score * 100).toFixed(1)} %` }),
  );
}

function plain(number) {
  return typeof number === "number" && Number.isFinite(number) ? String(Number(number.toPrecision(6))) : String(number);
}
