// Curves on two axes. Everything is drawn in a unit square that CSS stretches: nothing is measured, nothing is laid out
// anew when the page changes its width, and colours follow the theme by themselves.

import { make, setAttribute, setText } from "./dom.js";

// A curve is { kind: "line" | "thin" | "dashed" | "dots" | "band" | "bars", x, y, y2, colour, label }, x and y of any array type.
export function makeCurves(name, unit) {
  const square = make("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  const grid = make("path", { class: "lk-grid" });
  square.append(grid);
  const labels = { x: makeLabels("lk-x"), y: makeLabels("lk-y"), end: makeLabels("lk-end") };
  const element = make("div", { class: "lk-curves", role: "img", "aria-label": name },
    make("div", { class: "lk-square" }, square, ...Object.values(labels).map(({ element }) => element)),
    make("span", { class: "lk-unit", "aria-hidden": "true" }, unit));
  const paths = [];
  let drawnOn = "";

  function draw({ x: [left, right], y: [low, high], curves, grain = 0 }) {
    const toX = (x) => round((x - left) / (right - left));
    const toY = (y) => round(1 - (y - low) / (high - low));
    const xs = ticks(left, right, 5, grain), ys = ticks(low, high, 5);
    setAttribute(grid, "d", ys.map((y) => `M0 ${toY(y)}H1`).join("") + xs.map((x) => `M${toX(x)} 0V1`).join(""));
    labels.x.show(xs.map((x) => ({ text: said(x), left: toX(x) })));
    labels.y.show(ys.map((y) => ({ text: said(y), top: toY(y) })));
    labels.end.show(curves.filter(({ label, x }) => label && x.length).map(({ label, x, y, colour }) =>
      ({ text: label, left: toX(x.at(-1)), top: toY(y.at(-1)), colour })));
    const axes = `${left} ${right} ${low} ${high}`;
    curves.forEach((curve, i) => {
      const { kind, x, y, y2, colour } = curve;
      if (!paths[i]) {
        paths[i] = make("path");
        square.append(paths[i]);
      }
      if (paths[i].drawn === curve && axes === drawnOn) return; // the very same one: many points, and nothing to do
      paths[i].drawn = curve;
      setAttribute(paths[i], "class", `lk-${kind}`);
      setAttribute(paths[i], "style", `--colour: ${colour}`);
      setAttribute(paths[i], "d", outline(kind, Array.from(x, toX), Array.from(y, toY), y2 && Array.from(y2, toY)));
    });
    drawnOn = axes;
    for (const path of paths.splice(curves.length)) path.remove();
  }
  return { element, draw };
}

export function outline(kind, x, y, y2) {
  if (kind === "dots") return x.map((at, i) => `M${at} ${y[i]}h0`).join(""); // round caps make it a dot
  const places = x.map((at, i) => `${at} ${y[i]}`);
  if (y2) places.push(...x.map((at, i) => `${at} ${y2[i]}`).reverse());
  return places.length ? `M${places.join("L")}${places.length === 1 ? "h0" : ""}` : "";
}

// Words at places, as few as needed, the same elements again and again.
function makeLabels(kind) {
  const element = make("div", { class: kind, "aria-hidden": "true" });
  function show(words) {
    while (element.children.length < words.length) element.append(make("span"));
    while (element.children.length > words.length) element.lastChild.remove();
    words.forEach(({ text, left, top, colour }, i) => {
      const span = element.children[i];
      setText(span, text);
      setAttribute(span, "style", (left === undefined ? "" : `left:${100 * left}%;`)
        + (top === undefined ? "" : `top:${100 * top}%;`) + (colour ? `color:${colour}` : ""));
    });
  }
  return { element, show };
}

const round = (x) => Math.round(1e4 * Math.max(-0.5, Math.min(x, 1.5))) / 1e4;
const said = (x) => String(Number(x.toPrecision(6)) + 0); // no "-0"

// About so many round numbers from low to high, no nearer to each other than the grain.
export function ticks(low, high, count, grain = 0) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  let step = power * [1, 2, 5, 10].find((digit) => digit * power >= raw * 0.999);
  if (high - low >= 2 * grain) step = Math.max(step, grain);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step + 0); // no -0
  return found;
}

// What kernel's in_blocks has made of a curve: where its blocks end, and the means, lowest and highest values there.
export function blocks(buffer, { block, steps }, unit = 1) {
  const numbers = new Float32Array(buffer), count = numbers.length / 3;
  const [mean, low, high] = [0, 1, 2].map((i) => numbers.subarray(i * count, (i + 1) * count));
  return { x: ends(count, { block, steps }, unit), mean, low, high };
}

export const ends = (count, { block, steps }, unit = 1) =>
  Float32Array.from({ length: count }, (_, i) => Math.min((i + 1) * block, steps) / unit);

// The mean of such blocks, in a band from the lowest to the highest; and a curve with a dot at each of its points.
export const spread = ({ x, mean, low, high }, colour) =>
  [{ kind: "band", x, y: low, y2: high, colour }, { kind: "line", x, y: mean, colour }];

export const dotted = (curve, colour) => ["line", "dots"].map((kind) => ({ kind, ...curve, colour }));

// So much of the horizontal axis is shown, which zooms out as the curve grows.
export function zoom(reached, whole) {
  const power = 10 ** Math.floor(Math.log10(Math.max(reached, 1)));
  const stop = [1, 2, 5, 10].map((digit) => digit * power).find((most) => most >= reached);
  return Math.max(reached, Math.min(stop, whole));
}

// How high the picture of a loss must be, in round numbers, so that what comes after its steep beginning fills it.
export function topOf(curves, until, least) {
  const values = curves.flatMap(({ x, y }) => Array.from(y).filter((_, i) => !(x[i] <= 0.1 * until) || least));
  const most = Math.max(least || 0.1, ...values), grain = most < 1 ? 0.1 : 0.5;
  return Math.min(Number((grain * Math.ceil((1.02 * most) / grain)).toFixed(1)), 10);
}
