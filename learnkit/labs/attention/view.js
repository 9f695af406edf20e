// The page of an AttentionLab. The kernel makes queries, keys and values of a sentence; all that follows from them is
// computed here, so that sliders and hovering need no kernel.

import { keepKeys, makeField, makeNumber } from "../common/controls.js";
import { fill, make, setAttribute, setText } from "../common/dom.js";
import { linked } from "../common/link.js";
import { attend, divisorOf, written } from "./attend.js";
import { makeChain } from "./chain.js";

const HINT = "Rows are words that ask, columns words that are looked at. Point at a cell, or go to it with Tab and the arrow keys: "
  + "what it is made of lights up, and the sum is written out.";
const SENTENCE = "sentence", HEAD = "head {number}", WHICH = "which head is shown";
const HEADS = "{heads} (d_head = {features})", SCALES = { none: "1", head: "√d_head = {root}", model: "√d_model = {root}" };
const CAUSAL = "causal", NO_LOOK_AHEAD = "no word looks ahead";

function makeView({ constants: { fields }, link, el }) {
  const set = (name) => (value) => link.change({ [name]: value });
  const sentence = makeField(SENTENCE, set("sentence"), { dir: "auto" });
  sentence.element.addEventListener("input", () => link.change({ sentence: sentence.element.value }));
  const refusal = make("p", { class: "lk-refusal", role: "alert" }), message = make("p", { class: "lk-message", role: "alert" });
  const temperature = makeNumber("temperature", fields.temperature, set("temperature"));
  const scale = makeSlider("scale", Object.keys(SCALES), set("scale")), heads = makeSlider("heads", fields.heads.ticks, set("heads"));
  const causal = make("input", { type: "checkbox", onchange: () => link.change({ causal: causal.checked }) });
  const thumbnails = makeThumbnails(set("head")), chain = makeChain();
  el.classList.add("lk-lab", "lk-attention");
  el.append(make("label", { class: "lk-control sentence" }, make("span", {}, SENTENCE), sentence.element, refusal), message,
    make("div", { class: "controls" }, temperature.element, scale.element, heads.element,
      make("label", { class: "lk-control" }, make("span", {}, CAUSAL), make("span", { class: "checkbox" }, causal, NO_LOOK_AHEAD))),
    thumbnails.element, make("p", { class: "hint" }, HINT), chain.element);
  keepKeys(el);

  let shown = null, width = 0;
  function draw({ values, refused, words, message: remark }) {
    shown = { values, refused, words, message: remark };
    setText(refusal, refused.sentence ?? "");
    setText(message, remark);
    sentence.show(values.sentence);
    temperature.show(values.temperature, refused.temperature);
    const root = (features) => written(Math.sqrt(features)), features = words.query_features / values.heads;
    scale.show(values.scale, fill(SCALES[values.scale], { root: root(values.scale === "head" ? features : words.embed_dim) }));
    heads.show(values.heads, fill(HEADS, { heads: values.heads, features }));
    causal.checked = values.causal;
    const settings = divisorOf(words, { ...values, temperature: Number(values.temperature) });
    if (!(settings.divisor > 0) || !width) return; // what was typed cannot be, as the kernel will say; or it is not laid out
    const head = Math.min(values.head, values.heads - 1);
    thumbnails.draw(words, head, settings);
    chain.draw(words, head, settings, width);
  }
  const observer = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === width || !contentRect.width) return;
    width = contentRect.width;
    if (shown) draw(shown);
  });
  observer.observe(el);
  return { draw, close: () => observer.disconnect() };
}

// A slider along some values, with words beside it.
function makeSlider(label, stops, write) {
  const input = make("input", { type: "range", min: 0, max: stops.length - 1, "aria-label": label,
    oninput: () => write(stops[input.value]) });
  const words = make("output");
  input.disabled = stops.length === 1;
  function show(value, text) {
    const place = stops.indexOf(value);
    if (Number(input.value) !== place) input.value = place;
    input.style.setProperty("--part", `${(100 * place) / (stops.length - 1)}%`);
    setAttribute(input, "aria-valuetext", text);
    setText(words, text);
  }
  return { element: make("div", { class: "lk-control" }, make("span", { "aria-hidden": "true" }, label), input, words), show };
}

// A small picture of each head's weights; a press shows that head.
function makeThumbnails(choose) {
  const element = make("div", { class: "heads", role: "group", "aria-label": WHICH });
  let buttons = [];
  function build(count) {
    buttons = Array.from({ length: count }, (_, number) => {
      const canvas = make("canvas", { "aria-hidden": "true" });
      return Object.assign(make("button", { type: "button", onclick: () => choose(number) }, canvas, fill(HEAD, { number })), { canvas });
    });
    element.replaceChildren(...buttons);
  }
  function draw(words, shown, settings) {
    const count = words.tokens.length;
    element.hidden = count === 0;
    if (element.hidden) return;
    if (buttons.length !== settings.heads) build(settings.heads);
    buttons.forEach((button, head) => {
      const { weights } = attend(words, head, settings), image = new ImageData(count, count);
      weights.flat().forEach((weight, i) => { image.data.set([30, 136, 200, Math.round(255 * weight)], 4 * i); });
      if (button.canvas.width !== count) Object.assign(button.canvas, { width: count, height: count });
      button.canvas.getContext("2d").putImageData(image, 0, 0);
      setAttribute(button, "aria-pressed", String(head === shown));
    });
  }
  return { element, draw };
}

export default linked(makeView);
