// What a threshold does to the sample: confusion and rates, of all rows of the sample and of each facet's groups.

import { confusion, errors, outcome, percent, rates, shown, visible } from "./what_if_core.mjs";
import { make } from "./what_if_draw.mjs";

const MOST_GROUPS = 8;
const MOST_CLASSES = 12;

/** Groups of rows: all, and those of each value of each facet; rare values together. */
export function groups(facets, rows) {
  const found = [["all of the sample", rows]];
  facets.forEach((facet, f) => {
    const byValue = new Map();
    for (const row of rows) byValue.set(row.facets[f], [...(byValue.get(row.facets[f]) ?? []), row]);
    const order = [...byValue].sort((a, b) => b[1].length - a[1].length);
    for (const [value, members] of order.slice(0, MOST_GROUPS)) found.push([`${facet} = ${value}`, members]);
    const rest = order.slice(MOST_GROUPS).flatMap(([, members]) => members);
    if (rest.length) found.push([`${facet}: ${order.length - MOST_GROUPS} other values`, rest]);
  });
  return found;
}

/** The tables for one model at one threshold (null: as the model itself decides). */
export function countsView(about, rows, model, threshold) {
  const labelled = rows.filter((r) => r.label !== null && r.why.includes("sample"));
  if (!labelled.length) return make("p", { className: "soft" }, "The data have no labels, so there is nothing to count.");
  const found = groups(about.facets, labelled);
  if (about.classes === null) {
    return table(found.map(([name, members]) => [name, errors(members.map((r) => [r.label, r.scores[model]]))]), shown);
  }
  const pairs = (members) => members.map((r) => [r.label, outcome(about.classes, r.scores[model], r.labels[model], threshold)]);
  if (about.classes.length === 2) {
    return table(found.map(([name, members]) => [name, rates(confusion(about.classes, pairs(members)))]), percent);
  }
  const right = found.map(([name, members]) => {
    const said = pairs(members);
    return [name, { rows: said.length, accuracy: said.filter(([t, s]) => t === s).length / said.length }];
  });
  const parts = [table(right, percent)];
  if (about.classes.length <= MOST_CLASSES) parts.unshift(matrix(about.classes, confusion(about.classes, pairs(labelled))));
  return make("div", {}, ...parts);
}

const COUNTS = new Set(["rows", "tp", "fp", "fn", "tn"]);
const NAMES = { tp: "true positive", fp: "false positive", fn: "false negative", tn: "true negative" };

function table(lines, format) {
  const columns = Object.keys(lines[0][1]);
  const head = make("tr", {}, make("th", { scope: "col" }, "rows of"), ...columns.map((c) => make("th", { scope: "col", className: "n" }, NAMES[c] ?? c)));
  const body = lines.map(([name, values]) => make("tr", {}, make("th", { scope: "row", dir: "auto" }, visible(name)),
    ...columns.map((c) => make("td", { className: "n" }, COUNTS.has(c) ? String(values[c]) : format(values[c])))));
  return scrolled(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)), "Errors by group");
}

function matrix(classes, counts) {
  const most = Math.max(1, ...counts.flat());
  const head = make("tr", {}, make("th", { scope: "col" }, "true \\ said"), ...classes.map((c) => make("th", { scope: "col", className: "n", dir: "auto" }, visible(c))));
  const body = counts.map((row, t) => make("tr", {}, make("th", { scope: "row", dir: "auto" }, visible(classes[t])), ...row.map((count, s) => {
    const cell = make("td", { className: `n cell ${t === s ? "right" : "wrong"}` }, String(count));
    cell.style.setProperty("--share", String(count / most));
    return cell;
  })));
  return scrolled(make("table", { className: "matrix" }, make("thead", {}, head), make("tbody", {}, ...body)), "Confusion matrix");
}

function scrolled(table, label) {
  return make("div", { className: "scroll", role: "region", "aria-label": label, tabIndex: 0 }, table);
}
