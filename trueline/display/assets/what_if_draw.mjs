// Elements, and the page's own SVG: the scatter of rows and one small curve a feature.

import { place, shown, told } from "./what_if_core.mjs";

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes (`data-*`, `aria-*`, `role`) and children. */
export function make(tag, set = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (value === null || value === undefined) continue;
    if (/^(aria-|data-)/.test(name) || ["role", "for", "scope", "list"].includes(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function shape(tag, set, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(set)) if (value !== null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function titled(text) {
  return shape("title", {}, text);
}

function scale(values, low, high) {
  const finite = values.filter(Number.isFinite);
  let [a, b] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  if (a === b) [a, b] = [a - 0.5, b + 0.5];
  const at = (v) => low + ((v - a) / (b - a)) * (high - low);
  return { at, a, b };
}

/** Rows as marks: `points` hold `x y kind title`; `pick(i)` is called with the one that was clicked. */
export function scatter(points, { label, xName, yName, line, picked, moved, pick }) {
  const [width, height, left, bottom] = [520, 300, 56, 36];
  const x = scale(points.map((p) => p.x), left + 8, width - 12);
  const y = scale([...points.map((p) => p.y), moved?.y ?? NaN, line ?? NaN], height - bottom - 8, 12);
  const marks = points.map((p, i) => mark(p, x.at(p.x), y.at(p.y), i === picked, () => pick(i)));
  const parts = [
    shape("line", { x1: left, y1: height - bottom, x2: width - 4, y2: height - bottom, class: "axis" }),
    shape("line", { x1: left, y1: 8, x2: left, y2: height - bottom, class: "axis" }),
    words(left + 8, height - bottom + 14, shown(x.a, 3), "start"),
    words(width - 12, height - bottom + 14, shown(x.b, 3), "end"),
    words((left + width) / 2, height - 6, xName, "middle"),
    words(left - 5, height - bottom - 4, shown(y.a, 3), "end"),
    words(left - 5, 16, shown(y.b, 3), "end"),
    shape("text", { x: 0, y: 0, class: "soft", "text-anchor": "middle", transform: `translate(12 ${(height - bottom) / 2}) rotate(-90)` }, yName),
  ];
  if (Number.isFinite(line)) parts.push(shape("line", { x1: left, y1: y.at(line), x2: width - 4, y2: y.at(line), class: "threshold" }));
  parts.push(...marks.filter((_, i) => i !== picked), ...(marks[picked] ? [marks[picked]] : []));
  if (moved && Number.isFinite(moved.y)) parts.push(shape("circle", { cx: x.at(moved.x), cy: y.at(moved.y), r: 8, class: "moved" }, titled("the edited row")));
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...parts);
}

function mark(point, x, y, chosen, pick) {
  if (!Number.isFinite(x) || !Number.isFinite(y)) return shape("g", {});
  const classes = `mark ${point.kind}${chosen ? " chosen" : ""}`;
  const drawn = point.kind === "wrong"
    ? shape("path", { d: `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x - 4} ${y + 4}L${x + 4} ${y - 4}`, class: classes })
    : shape("circle", { cx: x, cy: y, r: chosen ? 6 : 4, class: classes });
  const around = shape("circle", { cx: x, cy: y, r: 8, class: "hit" });
  const group = shape("g", {}, around, drawn, titled(point.title));
  group.addEventListener("click", pick);
  return group;
}

function words(x, y, text, anchor) {
  return shape("text", { x, y, class: "soft", "text-anchor": anchor }, text);
}

/**
 * One feature's curves.
 *
 * @param field the feature.
 * @param lines a list of values along `field.grid` for each model; values that are not known yet are undefined.
 * @param here the row's own value and what the first model says of it.
 * @param span the least and the greatest value of all curves, so that they can be compared.
 * @param set called with the value of the grid that was clicked.
 */
export function curve(field, lines, here, span, set) {
  return field.x === null ? bars(field, lines, here, span, set) : line(field, lines, here, span, set);
}

const WIDE = 240;

function line(field, lines, here, [low, high], set) {
  const [height, left, bottom] = [130, 40, 20];
  const own = place(field, here.value);
  const gap = field.x.some((v) => v === null);
  const right = gap ? WIDE - 34 : WIDE - 8;
  const x = scale([...field.x.map((v) => v ?? NaN), own], left + 6, right - 6);
  const at = (i) => (field.x[i] === null ? WIDE - 16 : x.at(field.x[i]));
  const y = (v) => 8 + (1 - (v - low) / (high - low)) * (height - bottom - 16);
  const parts = [
    shape("line", { x1: left, y1: height - bottom, x2: WIDE, y2: height - bottom, class: "axis" }),
    words(left - 4, 14, shown(high, 3), "end"), words(left - 4, height - bottom, shown(low, 3), "end"),
    words(left, height - 6, end(field, x.a), "start"), words(right, height - 6, end(field, x.b), "end"),
    ...(gap ? [words(WIDE - 2, height - 6, "none", "end")] : []),
  ];
  lines.forEach((values, m) => {
    const known = field.grid.map((_, i) => i).filter((i) => field.x[i] !== null && Number.isFinite(values[i]));
    const text = known.map((i) => `${at(i).toFixed(1)},${y(values[i]).toFixed(1)}`).join(" ");
    parts.push(shape("polyline", { points: text, class: `line m${m}` }));
  });
  const stand = Number.isNaN(own) ? (gap ? WIDE - 16 : NaN) : x.at(own);
  if (Number.isFinite(stand)) parts.push(shape("line", { x1: stand, y1: 4, x2: stand, y2: height - bottom, class: "own" }));
  if (Number.isFinite(stand) && Number.isFinite(here.score)) parts.push(shape("circle", { cx: stand, cy: y(here.score), r: 4.5, class: "now" }));
  lines[0].forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const dot = shape("circle", { cx: at(i), cy: y(value), r: 2.5, class: "dot" });
    const hit = shape("rect", { x: at(i) - 5, y: 0, width: 10, height: height - bottom, class: "hit" });
    const group = shape("g", {}, hit, dot, titled(`${told(field, field.grid[i])}: ${shown(value)}`));
    group.addEventListener("click", () => set(field.grid[i]));
    parts.push(group);
  });
  return shape("svg", { viewBox: `0 0 ${WIDE} ${height}`, role: "img", "aria-label": summary(field, lines[0]) }, ...parts);
}

function end(field, value) {
  return field.dtype === "timestamp" ? new Date(value / 1000).toISOString().slice(0, 10) : shown(value, 3);
}

function bars(field, lines, here, [low, high], set) {
  const most = 12;
  const grid = field.grid.slice(0, most);
  const [step, left] = [16, 92];
  const height = Math.max(grid.length * step + 22, 40);
  const x = (v) => left + ((v - low) / (high - low)) * (WIDE - left - 8);
  const parts = [
    words(left, height - 5, shown(low, 3), "start"), words(WIDE - 4, height - 5, shown(high, 3), "end"),
    shape("line", { x1: left, y1: height - 18, x2: WIDE - 4, y2: height - 18, class: "axis" }),
  ];
  const own = JSON.stringify(told(field, here.value));
  grid.forEach((value, i) => {
    const y = i * step + 11;
    const name = told(field, value);
    const mine = JSON.stringify(name) === own;
    const label = words(left - 6, y + 4, name.length > 15 ? `${name.slice(0, 14)}…` : name, "end");
    if (mine) label.setAttribute("class", "mine");
    const group = shape("g", {}, shape("rect", { x: 0, y: y - step / 2, width: WIDE, height: step, class: "hit" }), label);
    lines.forEach((values, m) => {
      if (!Number.isFinite(values[i])) return;
      group.append(shape("line", { x1: left, y1: y, x2: x(values[i]), y2: y, class: "stem" }));
      group.append(shape("circle", { cx: x(values[i]), cy: y, r: mine ? 4.5 : 3, class: mine && m === 0 ? "now" : `dot m${m}` }));
    });
    group.append(titled(`${name}: ${lines.map((values) => shown(values[i])).join(" and ")}`));
    group.addEventListener("click", () => set(value));
    parts.push(group);
  });
  return shape("svg", { viewBox: `0 0 ${WIDE} ${height}`, role: "img", "aria-label": summary(field, lines[0]) }, ...parts);
}

function summary(field, values) {
  const known = values.filter(Number.isFinite);
  if (!known.length) return `${field.name}: not computed yet`;
  return `${field.name}: the prediction goes from ${shown(Math.min(...known))} to ${shown(Math.max(...known))} along its values`;
}
