// One curve a feature: what the models would say of this very row with another value there.

import { shown } from "./what_if_core.mjs";
import { curve, make } from "./what_if_draw.mjs";

/** The row once for each value of a feature's grid. */
export function gridRows(field, i, values) {
  return field.grid.map((v) => values.map((own, j) => (j === i ? v : own)));
}

/** Answers along every feature's grid. */
export class Curves {
  #sorted = null;

  constructor(about) {
    this.about = about;
    this.clear();
  }

  clear() {
    this.answers = this.about.fields.map(() => this.about.models.map(() => []));
    this.#sorted = null;
  }

  put(i, model, answers) {
    this.answers[i][model] = answers;
  }

  /** Places of the features that have a curve. */
  order() {
    return this.about.fields.map((_, i) => i).filter((i) => this.about.fields[i].edited && this.about.fields[i].grid.length > 0);
  }

  /** The order in which they are shown: the greatest effect first, settled once a row so that an edit moves no chart. */
  shownOrder(score) {
    const places = this.order();
    if (this.#sorted !== null) return this.#sorted;
    const complete = places.every((i) => this.answers[i].some((line) => line.length > 0));
    if (!complete) return places;
    const effect = (i) => Math.max(...this.answers[i].map((line) => spread(line.map(score))));
    const effects = new Map(places.map((i) => [i, effect(i)]));
    this.#sorted = [...places].sort((a, b) => effects.get(b) - effects.get(a) || a - b);
    return this.#sorted;
  }
}

function spread(values) {
  const known = values.filter(Number.isFinite);
  return known.length ? Math.max(...known) - Math.min(...known) : 0;
}

/** All curves on one scale. */
export function curvesView(page) {
  const { about, curves } = page;
  const score = (answer) => page.score(answer);
  const lines = curves.answers.map((models) => models.map((line) => line.map(score)));
  const here = page.answers.map(score);
  const known = [...lines.flat(2), ...here].filter(Number.isFinite);
  let span = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  if (span[1] - span[0] < 1e-9) span = [span[0] - 0.5, span[1] + 0.5];
  return curves.shownOrder(score).map((i) => {
    const field = about.fields[i];
    const set = (value) => page.set(i, value);
    const drawn = curve(field, lines[i], { value: page.values[i], score: here[0] }, span, set);
    const finite = lines[i].flat().filter(Number.isFinite);
    const range = finite.length ? `${shown(Math.min(...finite), 3)} to ${shown(Math.max(...finite), 3)}` : "…";
    const more = field.x === null && field.grid.length > 12 ? ` The 12 most frequent of ${field.grid.length}.` : "";
    const caption = make("figcaption", {}, make("b", { dir: "auto" }, field.name), ` ${range}${more}`);
    return make("figure", { "data-curve": field.name }, caption, drawn);
  });
}
