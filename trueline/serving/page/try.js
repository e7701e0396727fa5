"use strict";

// What comes from models is put into the page as text alone, never as markup.
let models = JSON.parse(document.getElementById("models").textContent);
const byId = (id) => document.getElementById(id);
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const WHOLE = /^[+-]?\d+$/;
const SHOWN_CLASSES = 20;
let model = null;
let fields = [];

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

// A number as JSON writes it, in the digits that were typed: a whole number beyond 2^53 keeps them all.
function numberToken(text, whole) {
  const trimmed = text.trim();
  if (whole && !WHOLE.test(trimmed)) throw new Error(`a whole number is expected, got ${trimmed || "nothing"}`);
  if (!NUMBER.test(trimmed)) throw new Error(`a number is expected, got ${trimmed || "nothing"}`);
  const sign = trimmed.startsWith("-") ? "-" : "";
  const plain = trimmed.replace(/^[+-]/, "").replace(/^\./, "0.").replace(/\.(?=$|[eE])/, "");
  return sign + plain.replace(/^0+(?=\d)/, "");
}

const TOKENS = {
  float64: (text) => numberToken(text, false),
  float32: (text) => numberToken(text, false),
  int64: (text) => numberToken(text, true),
  bool: (text) => {
    const word = text.trim().toLowerCase();
    if (word !== "true" && word !== "false") throw new Error(`true or false is expected, got ${text}`);
    return word;
  },
  utf8: (text) => JSON.stringify(text === '""' ? "" : text),
  timestamp: (text) => (WHOLE.test(text.trim()) ? numberToken(text, true) : JSON.stringify(text.trim())),
};

const WORDS = { float64: "number", float32: "number", int64: "whole number", bool: "true or false", utf8: "text",
  timestamp: "time, UTC", bytes: "file" };

async function fileToken(file) {
  const address = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return JSON.stringify({ b64: address.slice(address.indexOf(",") + 1) });
}

function listToken(feature, text) {
  const trimmed = text.trim();
  let parts;
  if (feature.dtype === "utf8" && trimmed.startsWith("[")) {
    parts = JSON.parse(trimmed);
    if (!parts.every((part) => typeof part === "string")) throw new Error('a list of texts is expected: ["a", "b"]');
  } else {
    const inner = trimmed.replace(/^\[/, "").replace(/\]$/, "").trim();
    parts = inner === "" ? [] : inner.split(",").map((part) => part.trim());
  }
  if (feature.kind === "fixed" && parts.length !== feature.size) {
    throw new Error(`${feature.size} values are expected, got ${parts.length}`);
  }
  return `[${parts.map(TOKENS[feature.dtype]).join(", ")}]`;
}

// What a field holds as JSON, or null for a value that is missing.
async function fieldToken({ feature, input }) {
  if (feature.dtype === "bytes") {
    const tokens = await Promise.all([...input.files].map(fileToken));
    if (feature.kind !== "scalar") return tokens.length || !feature.optional ? `[${tokens.join(", ")}]` : null;
    return tokens[0] ?? null;
  }
  const text = input.value;
  if (text === "" && (feature.optional || feature.dtype !== "utf8" || feature.kind !== "scalar")) return null;
  return feature.kind === "scalar" ? TOKENS[feature.dtype](text) : listToken(feature, text);
}

function exampleText(feature) {
  const value = feature.example;
  if (value === undefined || value === null || feature.dtype === "bytes") return "";
  if (Array.isArray(value)) return JSON.stringify(value);
  if (feature.dtype === "timestamp") {
    const time = typeof value === "number" ? new Date(value / 1000) : new Date(`${value}`.replace(/Z?$/, "Z"));
    return Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, 19);
  }
  return value === "" ? '""' : `${value}`;
}

function makeInput(feature, id) {
  const attributes = { id, "aria-describedby": `${id}-wrong`, autocomplete: "off", spellcheck: "false" };
  if (feature.dtype === "bytes") {
    return element("input", { ...attributes, type: "file", ...(feature.kind === "scalar" ? {} : { multiple: "" }) });
  }
  if (feature.kind !== "scalar") {
    const sample = { utf8: '["a", "b"]', bool: "true, false" }[feature.dtype] ?? "1, 2";
    return element("input", { ...attributes, type: "text", placeholder: sample });
  }
  if (feature.dtype === "bool") {
    const choices = ["true", "false"].map((word) => element("option", { value: word }, word));
    return element("select", attributes, element("option", { value: "" }, feature.optional ? "missing" : "choose"), ...choices);
  }
  if (feature.dtype === "timestamp") return element("input", { ...attributes, type: "datetime-local", step: "1" });
  const mode = { int64: "numeric", float64: "decimal", float32: "decimal" }[feature.dtype] ?? "text";
  const placeholder = feature.optional ? "missing" : "";
  return element("input", { ...attributes, type: "text", inputmode: mode, placeholder });
}

function kindText(feature) {
  const word = WORDS[feature.dtype];
  const many = { fixed: `${feature.size} × ${word}`, ragged: `list: ${word}` }[feature.kind] ?? word;
  return feature.optional ? many : `${many}, required`;
}

function showForm() {
  const place = byId("fields");
  fields = model.inputs.map((feature, i) => {
    const id = `field-${i}`;
    const input = makeInput(feature, id);
    const wrong = element("p", { id: `${id}-wrong`, class: "wrong", hidden: "" });
    const label = element("label", { for: id }, element("span", {}, feature.name), element("small", {}, kindText(feature)));
    return { feature, input, wrong, box: element("div", { class: "field" }, label, input, wrong) };
  });
  place.replaceChildren(...fields.map((field) => field.box));
  byId("example").hidden = !model.inputs.some((feature) => exampleText(feature) !== "");
  fill(true);
}

function fill(examples) {
  for (const field of fields) {
    field.input.value = examples ? exampleText(field.feature) : "";
    mark(field, "");
  }
  showCode();
}

function mark(field, text) {
  field.wrong.textContent = text;
  field.wrong.hidden = text === "";
  if (text) field.input.setAttribute("aria-invalid", "true");
  else field.input.removeAttribute("aria-invalid");
}

// The request's body; null when a field is wrong, which is then marked.
async function body(marking) {
  const parts = [];
  let first = null;
  for (const field of fields) {
    let wrong = "";
    try {
      const token = await fieldToken(field);
      if (token !== null) parts.push(`${JSON.stringify(field.feature.name)}: ${token}`);
      else if (!field.feature.optional) wrong = "a value is required";
    } catch (error) {
      wrong = error.message;
    }
    if (marking) mark(field, wrong);
    if (wrong) first ??= field;
  }
  if (first && marking) first.input.focus();
  return first ? null : `{"instances": [{${parts.join(", ")}}]}`;
}

function address() {
  const version = byId("version").value;
  const place = version === "" ? "" : `/${version}`;
  return new URL(`v1/models/${encodeURIComponent(model.name)}${place}:predict`, location.href).href;
}

const PYTHON = { true: "True", false: "False", null: "None" };

function pythonText(json) {
  return json.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (part) => PYTHON[part] ?? part);
}

function pythonCode(json) {
  const [kind, value] = byId("version").value.split("/");
  const row = pythonText(json.slice('{"instances": '.length, -1));
  const version = kind === "versions" ? `, version=${value}` : "";
  const server = new URL(".", location.href).href.replace(/\/$/, "");
  const key = byId("key").value ? ", bearer=KEY" : "";
  return [
    "from trueline.serving import Client",
    "",
    `with Client(${JSON.stringify(server)}, ${JSON.stringify(model.name)}${key}) as client:`,
    `    answer = client.predict(${row}${version})`,
    "print(answer.version, answer.outputs)",
  ].join("\n");
}

async function showCode() {
  const json = await body(false);
  if (json === null) {
    byId("curl").textContent = byId("python").textContent = "A field is wrong or still empty: see the form.";
    return;
  }
  const quoted = `'${json.replaceAll("'", "'\\''")}'`;
  const key = byId("key").value ? ' -H "authorization: Bearer $KEY"' : "";
  byId("curl").textContent = `curl -s${key} '${address().replaceAll("'", "%27")}' \\\n  -d ${quoted}`;
  byId("python").textContent = pythonCode(json);
}

// A whole number beyond 2^53 stays the text that the server wrote, where the browser tells it.
function exact(key, value, context) {
  const lost = typeof value === "number" && WHOLE.test(context?.source ?? "") && !Number.isSafeInteger(value);
  return lost ? context.source : value;
}

// NaN and Infinity, which TensorFlow Serving writes though JSON does not know them, become texts.
function parsed(text) {
  try {
    return JSON.parse(text, exact);
  } catch {
    return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (part) => (part[0] === '"' ? part : `"${part}"`)));
  }
}

function bars(classes, shares) {
  const order = shares.map((share, i) => i);
  if (shares.length > SHOWN_CLASSES) order.sort((a, b) => shares[b] - shares[a]).splice(SHOWN_CLASSES);
  const most = Math.max(...shares.filter((share) => typeof share === "number"));
  const lines = order.map((i) => {
    const known = typeof shares[i] === "number";
    const fill = element("div", { class: "fill" });
    fill.style.width = `${known ? Math.min(Math.max(shares[i], 0), 1) * 100 : 0}%`;
    const share = known ? `${(shares[i] * 100).toFixed(2)} %` : `${shares[i]}`;
    const name = typeof classes[i] === "string" ? classes[i] : JSON.stringify(classes[i]);
    return element("div", known && shares[i] === most ? { class: "most" } : {}, element("dt", {}, name),
      element("dd", { class: "track" }, fill), element("dd", { class: "share" }, share));
  });
  return element("dl", { class: "bars" }, ...lines);
}

function showOutputs(row) {
  const several = model.outputs.length > 1;
  const shown = model.outputs.map((output) => {
    const value = several ? row[output.name] : row;
    const chances = output.meaning === "class_probabilities" && Array.isArray(value) && model.classes?.length === value.length;
    const text = typeof value === "string" && value !== "" ? value : JSON.stringify(value);
    return element("div", { class: chances ? "output" : "plain" }, element("h3", {}, output.name),
      chances ? bars(model.classes, value) : element("p", { class: "value" }, text));
  });
  byId("outputs").replaceChildren(...shown);
}

async function send(event) {
  event.preventDefault();
  byId("error").textContent = "";
  const json = await body(true);
  await showCode();
  if (json === null) return;
  const headers = { "content-type": "application/json" };
  if (byId("key").value) headers.authorization = `Bearer ${byId("key").value}`;
  byId("send").disabled = true;
  const began = performance.now();
  try {
    const response = await fetch(address(), { method: "POST", headers, body: json });
    const text = await response.text();
    const took = performance.now() - began;
    if (!response.ok) throw new Error(parsed(text).error ?? `status ${response.status}`);
    showOutputs(parsed(text).predictions[0]);
    byId("said").textContent = `Version ${response.headers.get("x-model-version")} answered in ${took.toFixed(1)} ms. ` +
      `Request ${response.headers.get("x-request-id")}.`;
    byId("raw").textContent = text;
    byId("answer").hidden = false;
    byId("waiting").hidden = true;
  } catch (error) {
    byId("answer").hidden = byId("waiting").hidden = true;
    byId("error").textContent = error.message;
    for (const field of fields) {
      if (error.message.includes(`field '${field.feature.name}'`)) mark(field, "the server refused this value");
    }
  } finally {
    byId("send").disabled = false;
  }
}

async function copy(event) {
  const text = byId(event.currentTarget.dataset.copies);
  try {
    await navigator.clipboard.writeText(text.textContent);
    event.target.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(text);
    event.target.textContent = "Press Ctrl+C";
  }
  const button = event.target;
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function showModel() {
  byId("title").textContent = model.name;
  byId("about").textContent = [model.task, model.framework].filter((word) => word && word !== "none").join(", ");
  const choices = [
    element("option", { value: "" }, `default (${model.version})`),
    ...model.versions.map((number) => element("option", { value: `versions/${number}` }, `version ${number}`)),
    ...model.labels.map((label) => element("option", { value: `labels/${encodeURIComponent(label)}` }, `label ${label}`)),
  ];
  byId("version").replaceChildren(...choices);
  byId("answer").hidden = true;
  byId("waiting").hidden = false;
  byId("error").textContent = "";
  showForm();
}

function start() {
  const asked = decodeURIComponent(location.hash.slice(1));
  model = models.find((one) => one.name === asked) ?? models[0];
  byId("model").replaceChildren(...models.map((one, i) => element("option", { value: `${i}` }, one.name)));
  byId("model").value = `${models.indexOf(model)}`;
  byId("model").addEventListener("change", () => {
    model = models[Number(byId("model").value)];
    history.replaceState(null, "", `#${encodeURIComponent(model.name)}`);
    showModel();
  });
  byId("model-choice").hidden = models.length < 2;
  byId("version").addEventListener("change", showCode);
  byId("form").addEventListener("submit", send);
  byId("form").addEventListener("input", showCode);
  byId("example").addEventListener("click", () => fill(true));
  byId("clear").addEventListener("click", () => fill(false));
  for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", copy);
  byId("page").hidden = false;
  showModel();
}

// Where the server asks for keys, the page came without the models.
async function unlock(event) {
  event.preventDefault();
  byId("key-error").textContent = "";
  try {
    const response = await fetch("try.json", { headers: { authorization: `Bearer ${byId("key").value}` } });
    const told = await response.json();
    if (!response.ok) throw new Error(told.error ?? `status ${response.status}`);
    models = told;
    byId("locked").hidden = true;
    begin();
  } catch (error) {
    byId("key-error").textContent = error.message;
  }
}

function begin() {
  if (models.length) start();
  else byId("none").hidden = false;
}

if (models === null) {
  byId("locked").hidden = false;
  byId("locked").addEventListener("submit", unlock);
  byId("key").focus();
} else {
  begin();
}
