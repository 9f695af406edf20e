// The page of a TrainingLab: controls on one side, pictures that grow on the other. It decides nothing.

import { makeBoard } from "../common/board.js";
import { keepKeys, makeButton, makeChoice, makeNumber } from "../common/controls.js";
import { blocks, dotted, ends, makeCurves, spread, topOf, zoom } from "../common/curves.js";
import { fill, make, setAttribute, setText } from "../common/dom.js";
import { linked } from "../common/link.js";
import { makeEvaluation, makeNetwork, makePinned, PIN_COLOURS } from "./pictures.js";

const BUTTONS = [["Train", "lk-primary", "train"], ["Pause", "", "pause"], ["Step", "", "step"], ["Reset", "", "reset"],
  ["Pin", "", "pin"], ["Unpin all", "", "unpin"], ["Look at the test set", "", "evaluate_test"]];
const GROUPS = { notes: "From the notes", model: "The network", training: "The training" };
const EXPERIMENT = "experiment", CHOOSE = "choose one …", LAYERS = "hidden layers", WIDTH = "width {number}";
const SPLITS = { validation: "validation", seen: "images that were trained on" };
const BATCH_LOSS = "batch loss {loss}", LATEST = "{split} loss {loss}, accuracy {accuracy}";
const EPOCH = "epoch {number}", ACCURACY_OF = "{split} accuracy";
const TRAIN = "train", NOW = "{title}, now {value}";
const HOW = "The mean of the last 20 steps or more; around it, the lowest and the highest loss of a step.";
const BLUE = "var(--lk-blue)", GREEN = "var(--lk-green)";

function makeView({ constants, link, el }) {
  const { fields, of_model, presets, answers, classes, hint } = constants;
  const controls = Object.entries(fields).map(([name, field]) =>
    ({ name, ...makeControl(field, (value) => link.change({ [name]: value })) }));
  const board = makeBoard(link, "training", BUTTONS);
  const question = make("span"), asked = make("div", { class: "lk-question", hidden: "" }, question,
    ...answers.map((answer) => makeButton(answer, () => link.press("expect", answer))));
  const loss = makePicture("loss", BLUE, HOW), accuracy = makePicture("accuracy", GREEN);
  const network = makeNetwork(), evaluation = makeEvaluation(classes), pinned = makePinned();

  const group = (title, parts) => make("div", { class: "lk-group" }, make("h4", {}, title), ...parts);
  const those = (belongs) => controls.filter(({ name }) => of_model.includes(name) === belongs).map(({ element }) => element);
  const left = make("div", { class: "lk-controls" }, ...(presets.length ? [group(GROUPS.notes, [makePresets(presets, link)])] : []),
    group(GROUPS.model, those(true)), group(GROUPS.training, those(false)), make("p", { class: "lk-hint" }, hint));
  const right = make("div", { class: "lk-pictures" }, network.element,
    make("div", { class: "lk-pair" }, loss.element, accuracy.element), evaluation.element);
  el.classList.add("lk-lab", "lk-training");
  el.append(board.head, make("div", { class: "lk-words" }, board.message, asked), make("div", { class: "lk-columns" }, left, right),
    pinned.element, board.spoken);
  keepKeys(el);

  function draw(frame, changed) {
    if (changed.has("values") || changed.has("refused")) {
      for (const { name, show } of controls) show(frame.values[name], frame.refused[name]);
    }
    const split = SPLITS[frame.split], { loss: losses, accuracy: accuracies } = frame.evaluated;
    board.show(frame, changed, figuresOf(frame, split), spokenOf(frame.evaluated.accuracy, split));
    if (changed.has("question")) {
      asked.hidden = !frame.question;
      board.message.hidden = !asked.hidden;
      setText(question, frame.question ?? "");
    }
    if (changed.has("network") || changed.has("computed_on")) network.show(frame.network, frame.computed_on);
    if (changed.has("evaluation")) evaluation.show(frame.evaluation);
    if (changed.has("pins")) pinned.show(frame.pins);
    if (changed.has("arrays") || changed.has("evaluated") || changed.has("pins")) drawCurves(frame, losses, accuracies, split);
  }

  function drawCurves(frame, losses, accuracies, split) {
    const all = blocks(frame.arrays[0], frame, frame.steps_per_epoch);
    const pins = frame.pins.map((pin, i) => ({ colour: PIN_COLOURS[i], label: String(i + 1), kind: "thin", of: pin }));
    const lossPins = pins.map((pin) => ({ ...pin, x: ends(pin.of.loss.length, pin.of, pin.of.steps_per_epoch), y: pin.of.loss }));
    const accuracyPins = pins.map((pin) => ({ ...pin, ...pin.of.accuracy }));
    const epochsOf = ({ steps, steps_per_epoch }) => steps / steps_per_epoch, ofPins = frame.pins.map(epochsOf);
    const until = zoom(Math.max(epochsOf(frame), ...ofPins), Math.max(frame.epochs, ...ofPins));
    const top = topOf([{ x: all.x, y: all.mean }, ...lossPins, losses], until, until <= 1 ? 2.4 : 0);
    loss.show(shortened(all.mean.at(-1)), [[TRAIN, BLUE], [split, GREEN]],
      { x: [0, until], grain: 1, y: [0, top], curves: [...lossPins, ...spread(all, BLUE), ...dotted(losses, GREEN)] });
    const lowest = Math.min(0.9, ...accuracies.y, ...accuracyPins.flatMap(({ y }) => y)), bottom = Math.floor(10 * lowest) / 10;
    accuracy.show(accuracies.y.at(-1)?.toFixed(3) ?? "", [[split, GREEN]],
      { x: [0, until], grain: 1, y: [bottom, 1], curves: [...accuracyPins, ...dotted(accuracies, GREEN)] });
  }
  return { draw };
}

function makeControl(field, write) {
  if (field.kind === "hidden_sizes") return makeHiddenSizes(field, write);
  return (field.kind === "number" ? makeNumber : makeChoice)(field.label, field, write);
}

// A slider for the number of hidden layers, and one for the width of each that there is. A layer that comes back has the
// width that it had when it went.
function makeHiddenSizes({ each, width, most }, write) {
  const sizes = Array(most).fill(width);
  let count = 0, touched = 0;
  const isSize = (value) => /^[0-9]+$/.test(value) && Number(value) >= each.ticks[0] && Number(value) <= each.ticks.at(-1);
  const layers = makeNumber(LAYERS, { ticks: Array.from({ length: most + 1 }, (_, i) => i) }, (value) => {
    touched = most;
    write(/^[0-9]+$/.test(value) && Number(value) <= most ? sizes.slice(0, Number(value)) : Array(most + 1).fill(width));
  });
  const widths = sizes.map((_, i) => makeNumber(fill(WIDTH, { number: i + 1 }), each, (value) => {
    touched = i;
    if (isSize(value)) sizes[i] = value; // what will be refused is not to take the next size along
    write(sizes.slice(0, count).map((size, k) => (k === i ? value : size)));
  }));
  function show(values, refusal) {
    count = values.length;
    values.forEach((value, i) => { if (isSize(value)) sizes[i] = value; });
    layers.show(count, touched === most ? refusal : "");
    widths.forEach(({ element, show: showWidth }, i) => {
      element.hidden = i >= count;
      showWidth(values[i] ?? sizes[i], touched === i ? refusal : "");
    });
  }
  return { element: make("div", { class: "lk-sizes" }, ...[layers, ...widths].map(({ element }) => element)), show };
}

function makePresets(presets, link) {
  const choice = makeChoice(EXPERIMENT, { options: [CHOOSE, ...presets] }, (name) => {
    choice.show(CHOOSE);
    if (name !== CHOOSE) link.press("preset", name);
  });
  return choice.element;
}

// Curves under a title that is their legend, and tells the newest value.
function makePicture(title, colour, how = "") {
  const { element, draw } = makeCurves(title, "epoch");
  const value = make("b", { style: `color: ${colour}` }), legend = make("span", { class: "lk-legend", title: how });
  let shown = "";
  function show(newest, curves, picture) {
    setText(value, newest);
    setAttribute(element, "aria-label", newest ? fill(NOW, { title, value: newest }) : title);
    const names = curves.map(([name]) => name).join();
    if (shown !== names) {
      shown = names;
      legend.replaceChildren(...curves.map(([name, its]) => make("span", {}, make("i", { style: `background: ${its}` }), name)));
    }
    draw(picture);
  }
  return { element: make("figure", {}, make("figcaption", {}, title, legend, value), element), show };
}

const shortened = (loss) => (loss === undefined ? "" : loss < 1000 ? loss.toFixed(3) : loss.toPrecision(2));

function figuresOf({ batch_loss, evaluated: { loss, accuracy } }, split) {
  const now = batch_loss === null ? [] : [fill(BATCH_LOSS, { loss: shortened(batch_loss) })];
  if (loss.y.length) now.push(fill(LATEST, { split, loss: loss.y.at(-1).toFixed(3), accuracy: accuracy.y.at(-1).toFixed(3) }));
  return now.join(" · ");
}

const spokenOf = ({ x, y }, split) => (x.length ? { when: fill(EPOCH, { number: x.at(-1) }),
  what: fill(ACCURACY_OF, { split }), value: y.at(-1), before: y.at(-2) ?? 0 } : null);

export default linked(makeView);
