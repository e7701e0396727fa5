// The what-if page: state, and what happens on each edit.

import { decode, decodeNumber, median, outcome, place, shown } from "./what_if_core.mjs";
import { behindApp, inPage, Queue } from "./what_if_models.mjs";
import { Editor } from "./what_if_editor.mjs";
import { curvesView, gridRows, Curves } from "./what_if_curves.mjs";
import { countsView } from "./what_if_counts.mjs";
import { answerView, answerWords, nearestView, rowsView, scatterView } from "./what_if_views.mjs";

const find = (selector) => document.querySelector(selector);

function read() {
  const about = JSON.parse(document.getElementById("document").textContent);
  about.rows.forEach((row) => {
    row.values = about.fields.map((field, i) => decode(field, row.values[i]));
    row.scores = row.scores.map((s) => (Array.isArray(s) ? s.map(decodeNumber) : decodeNumber(s)));
    row.label = decodeNumber(row.label);
  });
  for (const field of about.fields) field.grid = field.grid.map((v) => decode(field, v));
  return about;
}

class Page {
  constructor(about) {
    this.about = about;
    this.queue = null;
    this.at = 0;
    this.threshold = about.classes === null ? median(about.rows.map((r) => r.scores[0])) : null;
    this.focus = about.classes === null ? null : about.classes.length === 2 ? 1 : null;
    this.shows = { x: "place", why: "", sort: "place", down: false };
    this.turn = 0;
    this.editor = new Editor(about.fields, (i, value) => this.set(i, value, true));
    this.curves = new Curves(about);
    find("#editor").append(...this.editor.elements);
    this.#wire();
    this.pick(0);
  }

  get row() {
    return this.about.rows[this.at];
  }

  /** The class that curves and the scatter speak of; null for a number. */
  get spoken() {
    return this.about.classes === null ? null : this.focus ?? this.row.labels[0];
  }

  score(answer) {
    const score = answer?.score ?? NaN;
    return this.about.classes === null ? score : score?.[this.spoken] ?? NaN;
  }

  /** Shows a row as it is in the data. */
  pick(at) {
    this.at = at;
    this.values = [...this.row.values];
    this.answers = this.row.scores.map((score, m) => ({ score, label: this.row.labels[m] }));
    this.editor.show(this.values, this.row.values);
    find("#alert").textContent = "";
    this.curves.clear();
    this.drawAll();
    this.compute(false);
  }

  /** One edit; `typing` leaves the control as it is. */
  set(i, value, typing = false) {
    this.values[i] = value;
    if (!typing) this.editor.write(i, value, this.row.values[i]);
    else this.editor.mark(i, value, this.row.values[i]);
    this.compute(true);
  }

  fed(model, values = this.values) {
    const own = new Set(this.about.models[model].features);
    return Object.fromEntries(this.about.fields.map((f, i) => [f.name, values[i]]).filter(([name]) => own.has(name)));
  }

  /** Asks the models about the row as it stands, then along every feature's grid. */
  async compute(edited) {
    if (this.queue === null) return;
    const turn = ++this.turn;
    try {
      if (edited) {
        const stop = () => turn !== this.turn;
        const answers = await Promise.all(this.about.models.map((_, m) => this.queue.now(m, [this.fed(m)], stop)));
        if (stop()) return;
        this.answers = answers.map(([a]) => a);
        find("#alert").textContent = "";
        this.editor.blame([]);
        document.body.dataset.answered = String(turn);
        this.drawAnswer();
        this.#tell();
      }
      await this.#along(turn);
    } catch (error) {
      if (turn !== this.turn) return;
      find("#alert").textContent = `Not computed. ${error.message}`;
      this.editor.blame(error.problems ?? []);
      find("#answer").classList.add("stale");
    }
  }

  /** The answer in words for a screen reader, once the typing rests. */
  #tell() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => (find("#told").textContent = answerWords(this)), 600);
  }

  async #along(turn) {
    const stop = () => turn !== this.turn;
    const values = [...this.values];
    let drawn = performance.now();
    for (const i of this.curves.order(values)) {
      const field = this.about.fields[i];
      for (let m = 0; m < this.about.models.length; m++) {
        if (!this.about.models[m].features.includes(field.name)) continue;
        const rows = gridRows(field, i, values).map((v) => this.fed(m, v));
        const found = await this.queue.many(m, rows, stop);
        if (found === null) return;
        this.curves.put(i, m, found);
      }
      if (performance.now() - drawn > 300) {
        this.drawCurves();
        drawn = performance.now();
      }
    }
    this.drawCurves();
    document.body.dataset.curves = String(turn);
  }

  drawAll() {
    this.drawRows();
    this.drawAnswer();
    this.drawCurves();
    this.drawCounts();
  }

  drawRows() {
    find("#scatter").replaceChildren(scatterView(this));
    find("#rows").replaceChildren(rowsView(this));
  }

  drawAnswer() {
    find("#answer").classList.remove("stale");
    find("#answer").replaceChildren(...answerView(this));
    find("#nearest").replaceChildren(nearestView(this));
    if (this.queue !== null) find("#scatter").replaceChildren(scatterView(this));
  }

  drawCurves() {
    find("#curves").replaceChildren(...curvesView(this));
  }

  drawCounts() {
    const many = this.about.models.length > 1;
    find("#counts").replaceChildren(...this.about.models.flatMap((model, m) => {
      const heading = many ? [Object.assign(document.createElement("h3"), { textContent: model.name })] : [];
      return [...heading, countsView(this.about, this.about.rows, m, this.limit(m))];
    }));
  }

  /** The threshold in force for a model: that of the slider, else its own; null leaves the decision to the model. */
  limit() {
    return this.threshold;
  }

  outcome(answer) {
    return outcome(this.about.classes, answer.score, answer.label, this.threshold);
  }

  #wire() {
    const slider = find("#threshold");
    if (slider !== null) this.#wireThreshold(slider);
    find("#reset").addEventListener("click", () => this.pick(this.at));
    find("#previous").addEventListener("click", () => this.step(-1));
    find("#next").addEventListener("click", () => this.step(1));
    find("#x")?.addEventListener("change", (e) => {
      this.shows.x = e.target.value;
      this.drawRows();
    });
    find("#why")?.addEventListener("change", (e) => {
      this.shows.why = e.target.value;
      this.drawRows();
    });
    find("#focus")?.addEventListener("change", (e) => {
      this.focus = e.target.value === "" ? null : Number(e.target.value);
      this.drawAll();
    });
  }

  #wireThreshold(slider) {
    const own = this.about.models[0].threshold;
    const numbers = this.about.classes === null;
    if (numbers) {
      const scores = this.about.rows.map((r) => r.scores[0]).filter(Number.isFinite);
      const [low, high] = [Math.min(...scores), Math.max(...scores)];
      Object.assign(slider, { min: String(low), max: String(high), step: String((high - low) / 200 || 1) });
    }
    const show = () => {
      slider.value = String(this.threshold ?? own ?? 0.5);
      const said = this.threshold === null ? `${own === null ? "none" : shown(own)} (the model's own: ${this.about.models[0].by ?? "its label"})` : shown(this.threshold);
      find("#threshold-said").textContent = said;
    };
    let asked = 0;
    const update = (value) => {
      this.threshold = value;
      show();
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(() => {
        this.drawAnswer();
        this.drawCounts();
        this.drawRows();
      });
    };
    slider.addEventListener("input", () => update(Number(slider.value)));
    find("#threshold-own").addEventListener("click", () => update(numbers ? median(this.about.rows.map((r) => r.scores[0])) : null));
    show();
  }

  step(by) {
    const shownRows = this.visibleRows();
    const here = shownRows.indexOf(this.at);
    const next = shownRows[(here + by + shownRows.length) % shownRows.length];
    if (next !== undefined) this.pick(next);
  }

  /** Places of the rows that the filter lets through, in the table's order. */
  visibleRows() {
    const { rows } = this.about;
    const kept = rows.map((_, i) => i).filter((i) => this.shows.why === "" || rows[i].why.includes(this.shows.why));
    const by = (i) => this.sortValue(rows[i]);
    kept.sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      const order = typeof x === "number" && typeof y === "number" ? (Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x - y) : String(x).localeCompare(String(y));
      return (this.shows.down ? -order : order) || a - b;
    });
    return kept;
  }

  sortValue(row) {
    const name = this.shows.sort;
    if (name === "score") return this.score({ score: row.scores[0] });
    if (name === "label") return row.label ?? NaN;
    if (name === "place") return row.place;
    const i = this.about.fields.findIndex((f) => f.name === name);
    const value = row.values[i];
    return this.about.fields[i].x !== null ? place(this.about.fields[i], value) : value ?? "";
  }
}

async function start() {
  const state = find("#state");
  try {
    const about = read();
    const page = new Page(about);
    globalThis.whatIf = page;
    state.textContent = about.endpoint ? "The models run in the local app." : "The models are being loaded into this page …";
    const ask = about.endpoint ? behindApp(about) : await inPage(document, about);
    page.queue = new Queue(ask, about.endpoint ? 200 : 8);
    // The first answer says whether the models answer here as they did when the page was made.
    const [again] = await page.queue.now(0, [page.fed(0)]);
    const far = Math.max(...[again.score].flat().map((v, c) => Math.abs(v - [page.row.scores[0]].flat()[c])).filter((v) => !Number.isNaN(v)), 0);
    if (far > 1e-3 * Math.max(1, ...[page.row.scores[0]].flat().map(Math.abs).filter(Number.isFinite))) {
      throw new Error(`The model answers otherwise here than when the page was made: by ${far}.`);
    }
    state.textContent = about.endpoint ? "The models run in the local app." : "The models run in this page, on this device.";
    document.body.dataset.state = "ready";
    page.compute(false);
  } catch (error) {
    state.textContent = "";
    find("#alert").textContent = error.message;
    document.body.dataset.state = "failed";
  }
}

start();
