// What a TrainingLab shows besides its curves: the net, the latest confusion matrix and mistakes, what is pinned.

import { makeHeat } from "../common/heat.js";
import { fill, make, setAttribute, setText, withCommas } from "../common/dom.js";

const NET = "The net, {sizes} numbers, {parameters} parameters";
const LAYER = "{name}: {inputs} to {outputs}, {parameters} parameters";
const PARAMETERS = "{parameters} parameters. {where}";
const CONFUSION = "row: what it is, column: what the net says";
const STILL_WRONG = "still wrong", NONE_WRONG = "There is no mistake.";
const MISTAKE = ["is {0}", "says {1}"], MISTAKES = 12, PIXELS = 28; // as the kernel sends them
const HEADS = ["setting", "parameters", "seconds", "images", "loss", "accuracy", "precision", "recall", "F1"];
const OF_IMAGES = { validation: "validation", seen: "trained on" };
export const PIN_COLOURS = ["#E69F00", "#CC79A7", "#8A7FD1", "#D55E00", "#8C8C00", "#56B4E9", "#5AA02C", "#A0522D"];

// The net as a row of bars, one for the input and one for each linear layer, higher the more numbers it has; from bar to
// bar goes a band, so that a bottleneck is seen. The heights grow as the logarithm of the numbers.
export function makeNetwork() {
  const picture = make("div", { class: "lk-net", role: "img" }), words = make("p");
  let bars = [], bands = [];
  function build(count) {
    bars = Array.from({ length: count }, () => ({ bar: make("u"), size: make("span", {}, " ") }));
    bands = bars.slice(1).map(() => make("i"));
    picture.replaceChildren(...bars.flatMap(({ bar, size }, i) => [...(i ? [bands[i - 1]] : []), make("b", {}, bar, size)]));
  }
  function show({ layers, parameters }, where) {
    const sizes = [layers[0].inputs, ...layers.map(({ outputs }) => outputs)], heights = heightsOf(sizes);
    if (bars.length !== sizes.length) build(sizes.length);
    setAttribute(picture, "aria-label", fill(NET, { sizes: sizes.map(withCommas).join(" to "), parameters: withCommas(parameters) }));
    bars.forEach(({ bar, size }, i) => {
      setAttribute(bar, "style", `height: ${heights[i].toFixed(0)}%`);
      setText(size, withCommas(sizes[i]));
    });
    bands.forEach((band, i) => { showBand(band, layers[i], heights[i], heights[i + 1]); });
    setText(words, fill(PARAMETERS, { parameters: withCommas(parameters), where }));
  }
  return { element: make("div", {}, picture, words), show };
}

export function heightsOf(sizes) {
  const most = Math.log2(Math.max(...sizes, 1024) + 1);
  return sizes.map((size) => (100 * Math.log2(size + 1)) / most);
}

function showBand(band, { name, inputs, outputs, parameters }, left, right) {
  const corners = [[0, 50 - left / 2], [100, 50 - right / 2], [100, 50 + right / 2], [0, 50 + left / 2]];
  const [ins, outs, count] = [inputs, outputs, parameters].map(withCommas);
  setAttribute(band, "title", fill(LAYER, { name, inputs: ins, outputs: outs, parameters: count }));
  setAttribute(band, "style", `clip-path: polygon(${corners.map(([x, y]) => `${x}% ${y.toFixed(0)}%`).join(", ")})`);
}

// The confusion matrix and the mistakes of which the net is surest. There is a place for all of them from the start, so
// that nothing moves when they come.
export function makeEvaluation(classes) {
  const heat = makeHeat(CONFUSION, classes, classes);
  const pictures = Array.from({ length: MISTAKES }, (_, k) => {
    const lines = MISTAKE.map(() => make("span")), canvas = make("canvas", { width: PIXELS, height: PIXELS, "aria-hidden": "true" });
    return { element: make("figure", {}, canvas, ...lines), lines, context: canvas.getContext("2d"), left: -PIXELS * k };
  });
  const strip = make("img", { onload: () => { for (const { context, left } of pictures) context.drawImage(strip, left, 0); } });
  const none = make("p", { hidden: "" }, NONE_WRONG);
  const grid = make("div", { class: "lk-mistakes" }, ...pictures.map(({ element }) => element));
  const element = make("div", { class: "lk-evaluation" }, heat.element, make("div", {}, make("h4", {}, STILL_WRONG), none, grid));
  show({ confusion: classes.map(() => classes.map(() => 0)), mistakes: { url: "", captions: [] } });
  none.hidden = true;

  // Pale, until there is one of the present run.
  function show(evaluation) {
    element.classList.toggle("lk-before", evaluation === null);
    if (evaluation === null) return;
    const { confusion, mistakes: { url, captions } } = evaluation;
    const totals = confusion.map((row) => Math.max(1, row.reduce((a, b) => a + b)));
    heat.fill((i, j) => ({ part: Math.sqrt(confusion[i][j] / totals[i]), text: confusion[i][j] || "" }));
    none.hidden = captions.length > 0;
    if (url) strip.src = url; // loaded once for all
    pictures.forEach(({ element: picture, lines }, k) => {
      picture.style.visibility = k < captions.length ? "" : "hidden";
      lines.forEach((line, i) => { setText(line, fill(MISTAKE[i], captions[k] ?? ["", ""])); });
    });
  }
  return { element, show };
}

export function makePinned() {
  const table = make("table", { class: "lk-pinned" });
  function show(pins) {
    const cell = (text) => make("td", {}, text);
    const head = make("tr", {}, make("td"), ...HEADS.map((name) => make("th", { scope: "col" }, name)));
    const rows = pins.map(({ label, parameters, seconds, split, results }, i) => make("tr", {},
      make("th", { scope: "row" }, make("i", { style: `background: ${PIN_COLOURS[i]}` }), String(i + 1)),
      cell(label), cell(withCommas(parameters)), cell(seconds.toFixed(1)), cell(OF_IMAGES[split]),
      ...["loss", "accuracy", "precision", "recall", "f1"].map((name) => cell(results[name]?.toFixed(3) ?? ""))));
    table.replaceChildren(...(pins.length ? [make("tbody", {}, head, ...rows)] : []));
  }
  return { element: make("div", { class: "lk-pins" }, table), show };
}
