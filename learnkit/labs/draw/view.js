// The page of a DrawLab: a canvas to draw on, what the nets get of it and say to it, and the drawings that were kept.

import { keepKeys, makeButton } from "../common/controls.js";
import { fill, make, setText } from "../common/dom.js";
import { linked } from "../common/link.js";
import { makePad } from "./pad.js";

const CLEAR = "Clear", UNDO = "Undo", SAVE = "Save as PNG", KEEP = "Keep it as a", KEEP_AS = "keep it as a {digit}";
const SEEN = "what the nets get: 28 × 28", SEEN_LONG = "the image that the nets get, 28 × 28 pixels";
const NOTHING = "nothing drawn yet", SAYS = "says {answer}", LIKELIEST = "{digit} ({share})", NOT_A_NUMBER = "no number (NaN)";
const SPOKEN = "{name} says {answer}.", MODEL = "{name} {said}";
const EMPTY_GALLERY = "Digits that you keep are shown here, and what each net says to them.";
const HEADS = ["your digits, tested", "right", "accuracy"], OUT_OF = "{right} of {count}";
const KEPT = "a kept {digit}", REMOVE = "remove drawing {number}, a {digit}", REMOVE_SHORT = "remove", IS = "is {digit}";
const DIGITS = Array.from({ length: 10 }, (_, digit) => digit);
const MILLISECONDS_OF_REST = 600; // after which the answers are spoken

function makeView({ constants, link, el }) {
  const pad = makePad(constants, () => link.values.strokes ?? [], (strokes) => link.change({ strokes }));
  const seen = makePicture(constants.side, SEEN_LONG), models = makeModels();
  const keep = DIGITS.map((digit) => {
    const button = makeButton(digit, () => link.press("keep", digit));
    button.setAttribute("aria-label", fill(KEEP_AS, { digit }));
    return button;
  });
  const message = make("p", { class: "lk-message", role: "alert" }), spoken = make("p", { class: "lk-spoken", role: "status" });
  const gallery = makeGallery(constants.side, link);
  el.classList.add("lk-lab", "lk-draw");
  el.append(make("div", { class: "lk-top" },
    make("div", { class: "lk-left" }, pad.element,
      make("div", { class: "lk-bar" },
        makeButton(CLEAR, pad.clear), makeButton(UNDO, pad.undo), makeButton(SAVE, () => link.press("save"))),
      make("div", { class: "lk-bar lk-keep", role: "group", "aria-label": KEEP }, make("span", {}, KEEP), ...keep)),
    make("figure", {}, seen.element, make("figcaption", {}, SEEN)), models.element), message, gallery.element, spoken);
  keepKeys(el);
  pad.show();
  let timer;

  function draw(frame, changed) {
    pad.show();
    if (changed.has("arrays")) seen.show(new Uint8Array(frame.arrays[0]));
    if (changed.has("answers") || changed.has("is_empty")) {
      models.show(frame.answers, frame.is_empty);
      clearTimeout(timer); // it is spoken when the pen rests
      if (!frame.is_empty) timer = setTimeout(() => setText(spoken,
        frame.answers.map(({ name, answer }) => fill(SPOKEN, { name, answer: likeliest(answer) })).join(" ")), MILLISECONDS_OF_REST);
    }
    if (changed.has("gallery")) gallery.show(frame.gallery);
    if (changed.has("message")) setText(message, frame.message);
  }
  return { draw, close: () => clearTimeout(timer) };
}

// An image as the nets get it: ink dark on light paper, one square a pixel.
function makePicture(side, label) {
  const element = make("canvas", { width: side, height: side, role: "img", "aria-label": label });
  function show(pixels) {
    const image = new ImageData(side, side);
    pixels.forEach((ink, i) => { image.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4 * i); });
    element.getContext("2d").putImageData(image, 0, 0);
  }
  return { element, show };
}

// The name of a net where there is little space.
const letter = (i) => String.fromCharCode(65 + i);

export function likeliest(answer) {
  if (!answer) return NOT_A_NUMBER;
  const digit = answer.indexOf(Math.max(...answer));
  return fill(LIKELIEST, { digit, share: answer[digit].toFixed(2) });
}

// For each net its ten probabilities as bars, which are made once.
function makeModels() {
  const element = make("div", { class: "lk-models" });
  let shown = [];
  function makeModel(name, i) {
    const said = make("span"), bars = DIGITS.map((digit) => make("div", {}, make("b"), make("span", {}, digit)));
    const group = make("div", { class: "lk-bars", role: "img" }, ...bars);
    return { said, bars, group, element: make("div", {}, make("div", {}, `${letter(i)}: `, make("b", {}, name), " ", said), group) };
  }
  function show(answers, isEmpty) {
    if (shown.length !== answers.length) {
      shown = answers.map(({ name }, i) => makeModel(name, i));
      element.replaceChildren(...shown.map(({ element: model }) => model));
    }
    answers.forEach(({ name, answer }, i) => {
      const words = isEmpty ? NOTHING : fill(SAYS, { answer: likeliest(answer) });
      const best = answer && !isEmpty ? answer.indexOf(Math.max(...answer)) : -1;
      setText(shown[i].said, words);
      shown[i].group.setAttribute("aria-label", fill(MODEL, { name, said: words }));
      shown[i].bars.forEach((bar, digit) => {
        bar.classList.toggle("lk-best", digit === best);
        bar.firstChild.style.transform = `scaleY(${isEmpty || !answer ? 0 : answer[digit]})`;
      });
    });
  }
  return { element, show };
}

function makeGallery(side, link) {
  const element = make("div", { class: "lk-gallery" });
  function makeDigit({ image, label, said }, number, names) {
    const picture = makePicture(side, fill(KEPT, { digit: label }));
    picture.show(image);
    const remove = make("button", { type: "button", "aria-label": fill(REMOVE, { number: number + 1, digit: label }), title: REMOVE_SHORT,
      onclick: () => link.press("remove", number) }, "×");
    const answers = said.map((digit, i) => make("div", { class: digit === label ? "" : "lk-wrong", title: names[i] },
      `${letter(i)}: ${digit ?? "NaN"} ${digit === label ? "✓" : "✗"}`));
    return make("figure", {}, picture.element, remove, make("figcaption", {}, fill(IS, { digit: label }), ...answers));
  }
  function show({ digits, table }) {
    const names = table.map(({ name }) => name), count = digits.length;
    const rows = table.map(({ name, right }, i) => make("tr", {}, make("th", { scope: "row" }, `${letter(i)}: ${name}`),
      make("td", {}, fill(OUT_OF, { right, count })), make("td", {}, (right / count).toFixed(2))));
    const head = make("tr", {}, ...HEADS.map((word) => make("th", { scope: "col" }, word)));
    element.replaceChildren(...(count ? [make("div", { class: "lk-digits" }, ...digits.map((digit, i) => makeDigit(digit, i, names))),
      make("table", {}, make("tbody", {}, head, ...rows))] : [EMPTY_GALLERY]));
  }
  return { element, show };
}

export default linked(makeView);
