// The page of a TransformerLab: some controls, a heat table for each head that changes while it learns, and two curves.

import { makeBoard } from "../common/board.js";
import { keepKeys, makeChoice, makeNumber } from "../common/controls.js";
import { blocks, dotted, makeCurves, spread, topOf, zoom } from "../common/curves.js";
import { fill, make, setText } from "../common/dom.js";
import { makeHeat } from "../common/heat.js";
import { linked } from "../common/link.js";

const BUTTONS = [["Train", "lk-primary", "train"], ["Pause", "", "pause"], ["Reset", "", "reset"]];
const HEADS = "heads", LOSS = "loss of each step's digits", ACCURACY = "accuracy on 500 other sequences";
const IN = "in ", SHOULD_SAY = "should say ", SAYS = "says ", RIGHT = " ({right} of {count})", WRONG = "wrong: {digit} was expected";
const HEAD = "head {head}", HEAD_OF_BLOCK = "block {block}, head {head}";
const FIGURES = "accuracy {accuracy}. {where}", WHEN = "step {step}", WHAT = "accuracy";
const HINT = "Each row is a position, with what comes in there and what is said there; each column one that is looked at.";
const BLUE = "var(--lk-blue)", GREEN = "var(--lk-green)";

function makeView({ constants: { fields, heads: possible }, link, el }) {
  const set = (name) => (value) => link.change({ [name]: value });
  const controls = { task: makeChoice(fields.task.label, fields.task, set("task")),
    num_heads: makeChoice(HEADS, { options: possible }, set("num_heads")),
    learning_rate: makeNumber(fields.learning_rate.label, fields.learning_rate, set("learning_rate")) };
  const board = makeBoard(link, "training", BUTTONS), example = makeExample(), heads = makeHeads();
  const [loss, accuracy] = [LOSS, ACCURACY].map((title) => {
    const curves = makeCurves(title, "step");
    return { ...curves, element: make("figure", {}, make("figcaption", {}, title), curves.element) };
  });
  el.classList.add("lk-lab", "lk-transformer");
  el.append(board.head, board.message, make("div", { class: "lk-task" }, ...Object.values(controls).map(({ element }) => element)),
    example.element, make("p", {}, HINT), heads.element, make("div", { class: "lk-pair" }, loss.element, accuracy.element), board.spoken);
  keepKeys(el);

  function draw(frame, changed) {
    for (const [name, { show }] of Object.entries(controls)) show(frame.values[name], frame.refused[name]);
    const { x, y } = frame.accuracies, at = frame.accuracy;
    board.show(frame, changed, fill(FIGURES, { accuracy: at.toFixed(3), where: frame.computed_on }),
      x.length ? { when: fill(WHEN, { step: x.at(-1) }), what: WHAT, value: at, before: y.at(-2) ?? 0 } : null);
    if (!changed.has("arrays")) return;
    example.show(frame);
    heads.show(frame, new Float32Array(frame.arrays[1]));
    const until = zoom(Math.max(frame.steps, 100), Infinity), curve = blocks(frame.arrays[0], frame);
    const top = topOf([{ x: curve.x, y: curve.mean }], until, 3);
    loss.draw({ x: [0, until], grain: 1, y: [0, top], curves: spread(curve, BLUE) });
    accuracy.draw({ x: [0, until], grain: 1, y: [0, 1.03], curves: dotted({ x, y }, GREEN) });
  }
  return { draw };
}

// A digit that is said; a wrong one is marked.
function show(element, says, expected) {
  setText(element, String(says));
  element.classList.toggle("lk-wrong", says !== expected);
  element.title = says === expected ? "" : fill(WRONG, { digit: expected });
}

function makeExample() {
  const digits = make("b"), should = make("b"), said = make("b"), right = make("span");
  const element = make("div", { class: "lk-example" },
    make("p", {}, IN, digits), make("p", {}, SHOULD_SAY, should), make("p", {}, SAYS, said, right));
  return { element, show: ({ digits: given, answer, expected }) => {
    setText(digits, given.join(" "));
    setText(should, expected.join(" "));
    if (said.children.length !== answer.length) said.replaceChildren(...answer.flatMap((_, i) => [i ? " " : "", make("span")]));
    answer.forEach((digit, i) => show(said.children[i], digit, expected[i]));
    setText(right, fill(RIGHT, { right: answer.filter((digit, i) => digit === expected[i]).length, count: answer.length }));
  } };
}

// A heat table for each head of each block.
function makeHeads() {
  const element = make("div", { class: "lk-heads" });
  let made = "", tables = [];
  function build(blockCount, headCount, digits) {
    tables = Array.from({ length: blockCount * headCount }, (_, number) => {
      const said = digits.map(() => make("span"));
      const names = { block: Math.floor(number / headCount), head: number % headCount };
      const rows = digits.map((digit, i) => make("span", {}, `${digit} → `, said[i]));
      return { said, ...makeHeat(fill(blockCount > 1 ? HEAD_OF_BLOCK : HEAD, names), rows, digits) };
    });
    element.replaceChildren(...tables.map(({ element: table }) => table));
  }
  return { element, show: ({ heads: [blockCount, headCount], digits, answer, expected }, weights) => {
    const sizes = `${blockCount} ${headCount} ${digits}`;
    if (made !== sizes) build(blockCount, headCount, digits);
    made = sizes;
    const length = digits.length;
    tables.forEach(({ said, fill: fillTable }, number) => {
      said.forEach((digit, i) => show(digit, answer[i], expected[i]));
      fillTable((i, j) => {
        const part = weights[(number * length + i) * length + j];
        return { part, title: part.toFixed(2) };
      });
    });
  } };
}

export default linked(makeView);
