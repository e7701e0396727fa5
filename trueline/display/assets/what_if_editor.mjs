// The editor of one row: a control for each feature, made from what the schema and the data say of it.

import { decode, encode, parsed, place, same, shown, told, typed, visible } from "./what_if_core.mjs";
import { make } from "./what_if_draw.mjs";

/** Controls for the features that may be edited; `changed(i, value)` is called with each edit. */
export class Editor {
  constructor(fields, changed) {
    this.fields = fields;
    this.changed = changed;
    this.controls = fields.map((field, i) => (field.edited ? this.#control(field, i) : null));
  }

  /** The element of each feature that may be edited. */
  get elements() {
    return this.controls.filter(Boolean).map((c) => c.box);
  }

  /** Shows a row; `original` is what it was before edits. */
  show(values, original) {
    this.fields.forEach((field, i) => {
      const control = this.controls[i];
      if (control === null) return;
      control.write(values[i]);
      this.#mark(i, values[i], original[i]);
      control.wrong.textContent = "";
      control.input.removeAttribute("aria-invalid");
    });
  }

  /** Shows one value that was set elsewhere. */
  write(i, value, original) {
    this.controls[i]?.write(value);
    this.mark(i, value, original);
  }

  /** Says what the value was, where it is another now. */
  mark(i, value, original) {
    if (this.controls[i] !== null) this.#mark(i, value, original);
  }

  #mark(i, value, original) {
    const { box, was } = this.controls[i];
    const other = !same(value, original);
    box.classList.toggle("changed", other);
    was.textContent = other ? `was ${told(this.fields[i], original)}` : "";
  }

  /** Puts each problem beneath its field. */
  blame(problems) {
    this.fields.forEach((field, i) => {
      const control = this.controls[i];
      if (control === null) return;
      // Python quotes a name that holds an apostrophe with the other kind of quotes.
      const names = [`field '${field.name}': `, `field "${field.name}": `];
      const own = problems.flatMap((p) => names.filter((n) => p.includes(n)).map((n) => p.slice(p.indexOf(n) + n.length)));
      control.wrong.textContent = own.join("\n");
      if (own.length) control.input.setAttribute("aria-invalid", "true");
      else control.input.removeAttribute("aria-invalid");
    });
  }

  #control(field, i) {
    const id = `field-${i}`;
    const parts = (MAKERS[field.editor] ?? MAKERS.json)(field, id, (value) => this.changed(i, value));
    const wrong = make("span", { className: "wrong", id: `${id}-wrong`, "aria-live": "polite" });
    const was = make("span", { className: "was", id: `${id}-was` });
    parts.input.id = id;
    parts.input.setAttribute("aria-describedby", `${id}-wrong ${id}-was ${id}-about`);
    const about = make("small", { id: `${id}-about` }, note(field));
    const head = make("div", { className: "head" }, make("label", { for: id, dir: "auto" }, visible(field.name)), about, was);
    const rows = [head, make("div", { className: "controls" }, ...parts.elements), wrong];
    let missing = null;
    if (field.missing) {
      missing = make("input", { type: "checkbox", "aria-label": `${field.name} is missing` });
      missing.addEventListener("change", () => {
        parts.enable(!missing.checked);
        this.changed(i, missing.checked ? null : parts.read());
      });
      head.append(make("label", { className: "missing" }, missing, "missing"));
    }
    const write = (value) => {
      const none = value === null || value === undefined;
      if (missing !== null) {
        missing.checked = none;
        parts.enable(!none);
      }
      if (!none || missing === null) parts.write(value);
    };
    const box = make("div", { className: "field", "data-feature": field.name }, ...rows);
    return { box, wrong, was, write, input: parts.input };
  }
}

function note(field) {
  const kind = { fixed: `[${field.size}]`, ragged: "[...]" }[field.kind] ?? "";
  const [low, high] = field.limits ?? [null, null];
  const ends = low !== null || high !== null ? `, schema: ${low === null ? "" : shown(low)} to ${high === null ? "" : shown(high)}` : "";
  return `${field.dtype}${kind}${ends}${field.missing ? "" : ", required"}`;
}

const MAKERS = { number, flag, choice, text, time: plain, json: plain };

function number(field, id, changed) {
  const input = make("input", { type: "text", inputMode: field.dtype === "int64" ? "numeric" : "decimal", autocomplete: "off", spellcheck: false });
  const slider = make("input", {
    type: "range", min: String(field.low), max: String(field.high), step: String(field.step), "aria-label": `${field.name}, slider`,
  });
  const read = () => parsed(field, input.value);
  input.addEventListener("input", () => {
    const value = read();
    if (typeof value !== "string") slider.value = String(place(field, value));
    changed(value);
  });
  slider.addEventListener("input", () => {
    const digits = Math.max(0, -Math.floor(Math.log10(Number(field.step))));
    input.value = String(Number(Number(slider.value).toFixed(Math.min(digits, 20))));
    changed(read());
  });
  const write = (value) => {
    input.value = typed(field, value);
    slider.value = String(place(field, value));
  };
  const enable = (on) => ([input.disabled, slider.disabled] = [!on, !on]);
  // What was missing becomes the slider's middle.
  const start = () => {
    if (input.value === "") {
      const middle = (Number(field.low) + Number(field.high)) / 2;
      write(field.dtype === "int64" ? Math.round(middle) : Number(middle.toPrecision(6)));
    }
    return read();
  };
  return { input, elements: [input, slider], read: start, write, enable };
}

function select(options, changed) {
  const input = make("select", {}, ...options);
  input.addEventListener("change", changed);
  return input;
}

function flag(field, id, changed) {
  const options = ["true", "false"].map((value) => make("option", { value }, value));
  const read = () => input.value === "true";
  const input = select(options, () => changed(read()));
  return { input, elements: [input], read, write: (v) => (input.value = String(v)), enable: (on) => (input.disabled = !on) };
}

function choice(field, id, changed) {
  const options = field.values.map((value) => make("option", { value, dir: "auto" }, told(field, value)));
  const read = () => input.value;
  const input = select(options, () => changed(read()));
  const write = (value) => {
    if (!field.values.includes(value) && ![...input.options].some((o) => o.value === value)) {
      input.append(make("option", { value }, `${told(field, value)} (not of the schema)`));
    }
    input.value = value;
  };
  return { input, elements: [input], read, write, enable: (on) => (input.disabled = !on) };
}

function text(field, id, changed) {
  const found = plain(field, id, changed);
  if (field.values?.length) {
    found.input.setAttribute("list", `${id}-choices`);
    found.elements.push(make("datalist", { id: `${id}-choices` }, ...field.values.map((value) => make("option", { value }))));
  }
  return found;
}

function plain(field, id, changed) {
  const input = make("input", { type: "text", autocomplete: "off", spellcheck: false, dir: "auto" });
  const first = field.grid.find((v) => v !== null);
  const read = () => {
    if (input.value === "" && first !== undefined && field.editor !== "text") input.value = typed(field, decode(field, first));
    return parsed(field, input.value);
  };
  input.addEventListener("input", () => changed(parsed(field, input.value)));
  return { input, elements: [input], read, write: (v) => (input.value = typed(field, v)), enable: (on) => (input.disabled = !on) };
}

/** A row as JSON, to be copied. */
export function rowText(fields, values) {
  return JSON.stringify(Object.fromEntries(fields.map((f, i) => [f.name, encode(values[i])])), null, 1);
}
