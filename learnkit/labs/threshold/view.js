// The page of a ThresholdLab: histograms, a threshold, and what follows from it. All is computed here (decisions.js); the
// kernel is only told, so that the next cell can use it.

import { keepKeys, makeButton, makeField, makeNumber } from "../common/controls.js";
import { makeCurves } from "../common/curves.js";
import { fill, make, setAttribute, setText, withCommas } from "../common/dom.js";
import { linked } from "../common/link.js";
import { costOf, makeDecisions, ratesOf } from "./decisions.js";

const PRESETS = [["A wrong conviction is dear", [10, 1]], ["Let no one go", [1, 10]]];
const PRICES = "cost = FP · a + FN · b", PRICE = ["a", "b"];
const CALLED = "called {name}", IS = "is {name}", NEVER = "never “{name}”: accuracy {accuracy}";
const COST = "cost {fp} · {a} + {fn} · {b} = {cost}; the least is {least}", NOTHING = "0 of 0";
const RATES = { accuracy: "accuracy", precision: "precision", recall: "recall", f1: "F1" };
const HEIGHT = "scores of “{negative}” and “{positive}”, with the threshold";
const SPOKEN = "At {threshold}: precision {precision}, recall {recall}, cost {cost}.";
const MILLISECONDS_OF_REST = 600; // after which the numbers are spoken
const BLUE = "var(--lk-blue)", ORANGE = "var(--lk-orange)", RED = "#D55E00", GREY = "#737373";
const PRECISIONS = { float32: Math.fround, float64: (x) => x };

function makeView({ constants, link, el }) {
  const { names: [negative, positive], fields, end } = constants;
  const scores = numbersOf(constants.scores, Float64Array), labels = numbersOf(constants.labels, Uint8Array);
  const decisions = makeDecisions(scores, labels, end, PRECISIONS[constants.precision] ?? Math.fround);
  const { ticks } = fields.threshold, span = [ticks[0], ticks.at(-1)];
  const never = ratesOf(decisions.counts.at(-1)).accuracy;

  const setCosts = (costs) => link.change(costs.every((cost) => Number(cost) >= 0) && Math.max(...costs) > 0
    ? { costs, threshold: decisions.cheapest(costs.map(Number)) } : { costs });
  const threshold = makeNumber("threshold", { ticks, linear: true }, (value) => link.change({ threshold: value }));
  const prices = PRICE.map((name, i) => makeField(`${name} =`, (value) => {
    const others = link.values.costs.map((cost, k) => (Number(cost) >= 0 ? cost : link.frame.values.costs[k]));
    setCosts(others.map((cost, k) => (k === i ? value : cost)));
  }, { inputmode: "decimal" }));
  const refusal = make("p", { class: "lk-refusal", role: "alert" });
  const money = make("div", { class: "lk-control lk-money" }, make("span", {}, PRICES),
    ...prices.map(({ element }, i) => make("label", {}, `${PRICE[i]} =`, element)), refusal);
  const buttons = PRESETS.map(([label, costs]) => makeButton(label, () => setCosts(costs)));

  const hills = makeCurves(fill(HEIGHT, { negative, positive }), "score");
  const axes = [["precision", "recall"], ["recall", "false positive rate"], ["cost", "threshold"]];
  const [precision, roc, cost] = axes.map(([name, unit]) => {
    const curves = makeCurves(name, unit);
    return { ...curves, element: make("figure", {}, make("figcaption", {}, name), curves.element) };
  });
  const numbers = makeNumbers([negative, positive], never), spoken = make("p", { class: "lk-spoken", role: "status" });
  const legend = make("div", { class: "lk-legend" }, ...[[negative, BLUE], [positive, ORANGE]].map(([name, colour]) =>
    make("span", {}, make("i", { style: `background: ${colour}` }), name)));
  el.classList.add("lk-lab", "lk-threshold");
  el.append(make("div", { class: "lk-bar" }, ...buttons, money),
    make("div", { class: "lk-hills" }, legend, hills.element, threshold.element),
    make("div", { class: "lk-four" }, numbers.element, precision.element, roc.element, cost.element), spoken);
  keepKeys(el);
  dragOver(hills.element.querySelector(".lk-square"), (part) => {
    const at = span[0] + part * (span[1] - span[0]);
    link.change({ threshold: ticks.reduce((best, tick) => (Math.abs(tick - at) < Math.abs(best - at) ? tick : best)) });
  });

  const { x, y, most } = decisions.histogram(span);
  const kinds = [BLUE, ORANGE].map((colour, i) => ({ kind: "bars", x, y: y[i], y2: x.map(() => 0), colour }));
  const line = (curve, colour) => ({ kind: "line", ...curve, colour });
  const fixed = { precision: line(decisions.precisionCurve, BLUE), roc: line(decisions.rocCurve, BLUE),
    chance: { kind: "dashed", x: [0, 1], y: [0, 1], colour: GREY } };
  let costs = "", costCurve, least = 0, timer;

  function draw({ values, refused }) {
    const at = Number(values.threshold), prized = values.costs.map(Number);
    threshold.show(values.threshold, refused.threshold);
    prices.forEach(({ show }, i) => { show(values.costs[i]); });
    setText(refusal, refused.costs ?? "");
    if (!Number.isFinite(at) || prized.some((each) => !(each >= 0))) return; // the kernel will say why it cannot be
    if (costs !== prized.join()) {
      costs = prized.join();
      costCurve = line(decisions.costCurve(prized), BLUE);
      least = decisions.counts.reduce((lowest, counts) => Math.min(lowest, costOf(counts, prized)), Infinity);
    }
    const counts = decisions.countsAt(at), rates = ratesOf(counts), sum = costOf(counts, prized);
    const point = (x, y) => ({ kind: "dots", x: Number.isNaN(y) ? [] : [x], y: [y], colour: RED });
    const unit = { x: [0, 1], y: [0, 1.02] };
    hills.draw({ x: span, y: [0, 1.05 * most], curves: [...kinds, { kind: "line", x: [at, at], y: [0, 1.05 * most], colour: RED }] });
    precision.draw({ ...unit, curves: [fixed.precision, point(rates.recall, rates.precision)] });
    roc.draw({ ...unit, curves: [fixed.chance, fixed.roc, point(rates.fpr, rates.recall)] });
    const top = costCurve.y.reduce((a, b) => Math.max(a, b));
    cost.draw({ x: span, y: [0, 1.05 * top], curves: [costCurve, point(at, sum)] });
    numbers.show(counts, rates, { a: prized[0], b: prized[1], cost: sum, least });
    clearTimeout(timer);
    timer = setTimeout(() => setText(spoken, fill(SPOKEN, { threshold: values.threshold, precision: share(rates.precision),
      recall: share(rates.recall), cost: withCommas(sum) })), MILLISECONDS_OF_REST);
  }
  return { draw, close: () => clearTimeout(timer) };
}

const numbersOf = ({ buffer, byteOffset, byteLength }, Kind) => new Kind(buffer.slice(byteOffset, byteOffset + byteLength));
const share = (rate) => (Number.isNaN(rate) ? NOTHING : rate.toFixed(3));

// Say how far along an element the pointer is, from 0 to 1, while it is held down there.
function dragOver(element, say) {
  const at = ({ clientX }) => {
    const box = element.getBoundingClientRect();
    say(Math.max(0, Math.min((clientX - box.x) / box.width, 1)));
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    at(event);
  });
  element.addEventListener("pointermove", (event) => { if (element.hasPointerCapture(event.pointerId)) at(event); });
}

// The four counts as a table, the four rates as bars, and the cost.
function makeNumbers([negative, positive], never) {
  const count = Object.fromEntries(["tn", "fp", "fn", "tp"].map((name) => [name, make("b")]));
  const row = (name, kinds) => make("tr", {}, make("th", { scope: "row" }, fill(IS, { name })),
    ...kinds.map((kind) => make("td", {}, `${kind.toUpperCase()} `, count[kind])));
  const heads = [negative, positive].map((name) => make("th", { scope: "col" }, fill(CALLED, { name })));
  const bars = Object.entries(RATES).map(([rate, name]) => {
    const bar = make("b"), text = make("td"), mark = rate === "accuracy" ? [make("i", { style: `left: ${100 * never}%` })] : [];
    const element = make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, make("div", {}, bar, ...mark)), text);
    return { rate, bar, text, element };
  });
  const sum = make("p");
  const element = make("div", { class: "lk-numbers" },
    make("table", {}, make("tbody", {}, make("tr", {}, make("td"), ...heads), row(negative, ["tn", "fp"]), row(positive, ["fn", "tp"]))),
    make("table", {}, make("tbody", {}, ...bars.map(({ element: bar }) => bar))),
    make("p", {}, make("i"), fill(NEVER, { name: positive, accuracy: never.toFixed(3) })), sum);
  function show(counts, rates, { a, b, cost, least }) {
    for (const [name, cell] of Object.entries(count)) setText(cell, withCommas(counts[name]));
    for (const { rate, bar, text } of bars) {
      setAttribute(bar, "style", `width: ${100 * (rates[rate] || 0)}%`);
      setText(text, share(rates[rate]));
    }
    const [fp, fn, now, lowest] = [counts.fp, counts.fn, cost, least].map(withCommas);
    setText(sum, fill(COST, { fp, fn, a, b, cost: now, least: lowest }));
  }
  return { element, show };
}

export default linked(makeView);
