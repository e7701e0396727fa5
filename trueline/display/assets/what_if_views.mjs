// Pieces of the page out of its state: the rows, the answer, the nearest row with another outcome.

import { gower, outcome, percent, place, same, shown, told, visible } from "./what_if_core.mjs";
import { make, scatter } from "./what_if_draw.mjs";

const MOST_COLUMNS = 8;
const MOST_BARS = 12;

function labelText(about, label) {
  if (label === null || label === undefined) return "unknown";
  return about.classes === null ? shown(label, 6) : visible(about.classes[label]);
}

function scoreText(about, score) {
  return about.classes === null ? shown(score, 6) : percent(score);
}

/** Whether what is said of a row is what is true of it: right, wrong or unknown; of numbers always known. */
function kindOf(page, row) {
  if (page.about.classes === null) return "known";
  if (row.label === null) return "unknown";
  return outcome(page.about.classes, row.scores[0], row.labels[0], page.threshold) === row.label ? "right" : "wrong";
}

function nameOf(row) {
  return `row ${row.place}`;
}

export function scatterView(page) {
  const { about } = page;
  const field = about.fields.find((f) => `f:${f.name}` === page.shows.x);
  const i = about.fields.indexOf(field);
  const across = (row, values) => {
    if (page.shows.x === "label") return row.label ?? NaN;
    return field ? place(field, values[i]) : row.place;
  };
  const points = about.rows.map((row) => ({
    x: across(row, row.values),
    y: page.score({ score: row.scores[0] }),
    kind: kindOf(page, row),
    title: `${nameOf(row)}, ${about.label ?? "label"} ${labelText(about, row.label)}, predicted ${scoreText(about, page.score({ score: row.scores[0] }))}`,
  }));
  const said = about.classes === null ? "prediction" : `probability of ${about.classes[page.spoken]}`;
  const line = about.classes === null || about.classes.length === 2 ? page.threshold ?? about.models[0].threshold : null;
  return scatter(points, {
    label: `The rows of the page: ${said} by ${page.shows.x.replace(/^f:/, "")}. The table has the same rows.`,
    xName: page.shows.x.replace(/^f:/, "").replace("place", "row of the data"), yName: visible(said),
    line: line ?? NaN, picked: page.at,
    moved: { x: across(page.row, page.values), y: page.score(page.answers[0]) },
    pick: (p) => page.pick(p),
  });
}

export function rowsView(page) {
  const { about } = page;
  const fields = about.fields.filter((f) => f.edited).slice(0, MOST_COLUMNS);
  const columns = [["place", "row"], ["label", about.label ?? "label"], ["score", about.classes === null ? "predicted" : `p(${about.classes[page.spoken]})`],
    ...fields.map((f) => [f.name, f.name])];
  const head = make("tr", {}, ...columns.map(([key, name], c) => {
    const sorted = page.shows.sort === key;
    const button = make("button", { type: "button", className: "sort" }, visible(name));
    button.addEventListener("click", () => {
      page.shows.down = sorted && !page.shows.down;
      page.shows.sort = key;
      page.drawRows();
      document.querySelectorAll("#rows th button")[c]?.focus();
    });
    return make("th", { scope: "col", "aria-sort": sorted ? (page.shows.down ? "descending" : "ascending") : null }, button);
  }));
  const body = page.visibleRows().map((at) => bodyRow(page, at, fields));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

function bodyRow(page, at, fields) {
  const { about } = page;
  const row = about.rows[at];
  const open = make("button", { type: "button", className: "open", "aria-pressed": String(at === page.at), title: row.why.join(", ") }, String(row.place));
  open.addEventListener("click", () => {
    page.pick(at);
    document.querySelector("#rows .open[aria-pressed=true]")?.focus();
  });
  const kind = kindOf(page, row);
  const mark = { right: "✓ ", wrong: "✕ " }[kind] ?? "";
  const cells = fields.map((f) => make("td", { className: f.x !== null ? "n" : "", dir: "auto" }, told(f, row.values[about.fields.indexOf(f)])));
  return make("tr", { className: `${kind}${at === page.at ? " chosen" : ""}` },
    make("th", { scope: "row" }, open),
    make("td", { dir: "auto" }, mark + labelText(about, row.label)),
    make("td", { className: "n" }, scoreText(about, page.score({ score: row.scores[0] }))), ...cells);
}

/** What the models say of the row as it stands, and how far that is from what they said of the row as it was. */
export function answerView(page) {
  const { about, row } = page;
  const reasons = row.why.filter((w) => w !== "sample");
  const facts = [nameOf(row), row.row === null ? "" : `__row__ ${row.row}`, reasons.join(", ")].filter(Boolean).join(" · ");
  const truth = make("p", {}, make("span", { className: "soft" }, `${about.label ?? "label"}: `), make("b", { dir: "auto" }, labelText(about, row.label)),
    make("span", { className: "soft" }, ` · ${facts}`));
  return [truth, ...about.models.map((model, m) => one(page, model, m))];
}

/** The same in one sentence a model. */
export function answerWords(page) {
  const { about } = page;
  return about.models.map((model, m) => {
    const answer = page.answers[m];
    const name = about.models.length > 1 ? `${model.name}: ` : "";
    if (about.classes === null) return `${name}${shown(answer.score, 6)}`;
    const said = page.outcome(answer);
    return `${name}${about.classes[said] ?? "undefined"}, ${percent(answer.score[said] ?? null)}`;
  }).join("; ");
}

function one(page, model, m) {
  const { about, row } = page;
  const answer = page.answers[m];
  const was = { score: row.scores[m], label: row.labels[m] };
  const heading = about.models.length > 1 ? [make("h3", { dir: "auto" }, visible(model.name))] : [];
  if (about.classes === null) return make("div", { className: "model", "data-model": String(m) }, ...heading, ...numberAnswer(page, answer, was));
  const [said, before] = [page.outcome(answer), page.outcome(was)];
  const word = make("p", { className: "word" }, make("output", { className: "said", dir: "auto" }, visible(about.classes[said] ?? "undefined")),
    said === before ? "" : make("span", { className: "flip" }, ` was ${visible(about.classes[before] ?? "undefined")}`));
  return make("div", { className: "model", "data-model": String(m) }, ...heading, word, make("dl", { className: "bars" }, ...bars(about, answer, was, said)));
}

function numberAnswer(page, answer, was) {
  const change = answer.score - was.score;
  const word = make("p", { className: "word" }, make("output", { className: "said", title: String(answer.score) }, shown(answer.score, 6)));
  word.dataset.score = String(answer.score);
  const said = page.outcome(answer) ? "at or above" : "below";
  return [word, make("p", { className: "soft" }, `${changeText(change, (v) => shown(v, 4))} · ${said} the level ${shown(page.threshold)}`)];
}

function changeText(change, format) {
  if (!Number.isFinite(change)) return "the change is undefined";
  if (change === 0) return "as the row was";
  return `${change > 0 ? "+" : "−"}${format(Math.abs(change))} against the row as it was`;
}

function bars(about, answer, was, said) {
  let order = about.classes.map((_, c) => c);
  if (order.length > MOST_BARS) order = order.sort((a, b) => answer.score[b] - answer.score[a]).slice(0, MOST_BARS);
  return order.map((c) => {
    const [now, before] = [answer.score[c], was.score[c]];
    const fill = make("div", { className: "fill" });
    fill.style.width = `${100 * Math.max(0, Math.min(1, now))}%`;
    const tick = make("div", { className: "before" });
    tick.style.left = `${100 * Math.max(0, Math.min(1, before))}%`;
    const change = now - before;
    const moved = Math.abs(change) < 5e-5 ? "" : `${change > 0 ? "+" : "−"}${(100 * Math.abs(change)).toFixed(1)}`;
    const value = make("dd", { title: String(now), "data-score": String(now) }, percent(now), make("span", { className: "soft" }, ` ${moved}`));
    return make("div", { className: c === said ? "most" : "" }, make("dt", { dir: "auto" }, visible(about.classes[c])), make("div", { className: "track" }, fill, tick), value);
  });
}

/** The nearest row of the page, by Gower's distance from the row as it stands, of which the first model says otherwise. */
export function nearestView(page) {
  const { about } = page;
  const mine = page.outcome(page.answers[0]);
  let best = null;
  about.rows.forEach((row, i) => {
    const other = outcome(about.classes, row.scores[0], row.labels[0], page.threshold);
    if (i === page.at || other === mine || other === null || mine === null) return;
    const far = gower(about.fields, page.values, row.values);
    if (best === null || far < best.far) best = { far, row, i, other };
  });
  if (best === null) return make("p", { className: "soft" }, "No row of the page has another outcome.");
  const other = about.classes === null ? (best.other ? "at or above the level" : "below the level") : visible(about.classes[best.other]);
  const open = make("button", { type: "button" }, `Open ${nameOf(best.row)}`);
  open.addEventListener("click", () => page.pick(best.i));
  const apart = about.fields.map((f, i) => [f, i]).filter(([, i]) => !same(page.values[i], best.row.values[i]));
  const lines = apart.map(([f, i]) => {
    const take = make("button", { type: "button", "aria-label": `Take ${f.name} of that row`, disabled: !f.edited }, "take");
    take.addEventListener("click", () => page.set(i, best.row.values[i]));
    return make("tr", {}, make("th", { scope: "row", dir: "auto" }, visible(f.name)), make("td", { dir: "auto" }, told(f, page.values[i])),
      make("td", { dir: "auto" }, told(f, best.row.values[i])), make("td", {}, take));
  });
  const head = make("tr", {}, ...["feature", "here", "there", ""].map((t) => make("th", { scope: "col" }, t)));
  return make("div", {},
    make("p", {}, make("b", {}, other), ` ${scoreText(about, page.score({ score: best.row.scores[0] }))}, label ${labelText(about, best.row.label)}, distance ${shown(best.far, 3)} `, open),
    make("div", { className: "scroll", role: "region", "aria-label": "What differs", tabIndex: 0 }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines))));
}
