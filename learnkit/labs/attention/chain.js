// The chain of matrices from queries and keys to the output, in which what made a cell lights up.

import { make, setAttribute, setChildren, setText } from "../common/dom.js";
import { attend, written } from "./attend.js";
import { isolated, sumOf } from "./sums.js";

const LARGEST = 40, SMALLEST = 18; // width of a cell, in pixels
const LARGE_PRINT = 37, TWO_DECIMALS = 33, ONE_DECIMAL = 25; // what a cell must measure for them
const LONGEST_LABEL = 104, GAP = 14;
const TITLES = { query: "Q", key: "Kᵀ", value: "V" }; // the other matrices are called what they are
const STEPS = [["scores = Q Kᵀ", ["key", "query", "scores"]], ["scaled = scores / {divisor}", ["scaled"]],
  ["weights = softmax of each row, output = weights V", ["value", "weights", "output"]]];
const NUMBER = "number {place}", CELL = "{matrix}, {row}, {column}: {number}";
const PAIRS = ["scores", "scaled", "weights"]; // they have a cell for each pair of words
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };

// Rows, columns and cells of other matrices, which light up with cell (i, j) of a matrix.
const SOURCES = {
  scores: (i, j) => [{ name: "query", row: i }, { name: "key", column: j }],
  scaled: (i, j) => [{ name: "scores", row: i, column: j }],
  weights: (i) => [{ name: "scaled", row: i }],
  output: (i, j) => [{ name: "weights", row: i }, { name: "value", column: j }],
};

// A matrix to be filled with numbers, again and again: to change cells is quicker than to make them.
function makeMatrix(name, [height, width], rowWords, columnWords) {
  const title = TITLES[name] ?? name;
  const called = (words, k) => words[k] ?? NUMBER.replace("{place}", k + 1);
  const header = (role, words, k) => make("th", { role, title: called(words, k) },
    words[k] === undefined ? String(k + 1) : isolated(words[k]));
  const cells = Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) =>
    Object.assign(make("td", { role: "gridcell", tabindex: i || j ? -1 : 0 }), { place: { name, i, j } })));
  const before = CELL.replace("{matrix}", title);
  function fill(numbers, decimals) {
    const largest = name === "weights" ? 1 : Math.max(...numbers.flat().filter(Number.isFinite).map(Math.abs), 1e-9);
    numbers.forEach((row, i) => row.forEach((number, j) => {
      const cell = cells[i][j], isNumber = Number.isFinite(number);
      const part = isNumber ? (Math.abs(number) / largest).toFixed(2) : "0", text = decimals < 0 ? "" : written(number, decimals);
      const shown = `${part} ${text} ${number < 0}`;
      if (cell.shown === shown) return;
      cell.shown = shown;
      cell.style.setProperty("--part", part);
      setText(cell, text);
      cell.classList.toggle("negative", isNumber && number < 0);
      cell.classList.toggle("blocked", !isNumber);
      setAttribute(cell, "aria-label", before.replace("{row}", called(rowWords, i)).replace("{column}", called(columnWords, j))
        .replace("{number}", written(number)));
    }));
  }
  const head = make("tr", { role: "row" }, make("td", { class: "corner" }),
    ...cells[0].map((_, j) => header("columnheader", columnWords, j)));
  const rows = cells.map((row, i) => make("tr", { role: "row" }, header("rowheader", rowWords, i), ...row));
  const table = make("table", { role: "grid", "aria-label": title }, make("tbody", { role: "rowgroup" }, head, ...rows));
  return { cells, fill, element: make("div", { class: `matrix ${name}` }, make("div", { class: "title" }, title), table) };
}

let steps = 0; // made on this page, so that each sum has an id of its own

// A step of the chain: its matrices, and in the corner that they leave free, the sum of one of their cells.
function makeStep([title, names]) {
  const sum = make("p", { class: "sum", id: `lk-sum-${names[0]}-${++steps}` });
  const grid = make("div", { class: `step ${names.length === 1 ? "single" : ""}` }), heading = make("h4");
  const fill = (matrices) => {
    grid.replaceChildren(sum, ...names.map((name) => matrices[name].element));
    for (const cell of names.flatMap((name) => matrices[name].cells.flat(2))) cell.setAttribute("aria-describedby", sum.id);
  };
  const name = (divisor) => setText(heading, title.replace("{divisor}", divisor));
  return { element: make("section", { "aria-label": title.replace("{divisor}", "…") }, heading, grid), names, sum, fill, name };
}

export function makeChain() {
  const all = STEPS.map(makeStep);
  const chain = make("div", { class: "chain" }, ...all.map(({ element }) => element));
  let current = { name: "weights", i: 1, j: 0 }; // what is lit
  let numbers = null, tokens = [], settings = null, matrices = {}, lit = [], made = "", fitted = "", cellWidth = 0;

  function light(place) {
    const cell = matrices[place.name]?.cells[place.i]?.[place.j];
    if (!cell) return;
    current = place;
    for (const each of lit) each.classList.remove("lit", "lit-row", "lit-column");
    lit = [cell];
    cell.classList.add("lit");
    for (const { name, row, column: j } of SOURCES[place.name]?.(place.i, place.j) ?? []) {
      matrices[name].cells.forEach((cells, i) => cells.forEach((each, k) => {
        if ((row !== undefined && i !== row) || (j !== undefined && k !== j)) return;
        each.classList.add(row === undefined ? "lit-column" : "lit-row");
        lit.push(each);
      }));
    }
    // The sums of all steps follow a pair of words; those of a cell that belongs to one word change in its own step.
    for (const { names, sum } of all) {
      const there = names.includes(place.name) ? place.name : PAIRS.includes(place.name) && PAIRS.find((name) => names.includes(name));
      if (there) setChildren(sum, sumOf({ ...place, name: there }, numbers, tokens, settings));
    }
  }

  function draw(words, head, itsSettings, width) {
    ({ tokens } = words);
    settings = itsSettings;
    chain.hidden = tokens.length === 0;
    if (chain.hidden) return;
    numbers = attend(words, head, settings);
    const focused = chain.contains(document.activeElement) ? document.activeElement.place : null;
    const sizes = JSON.stringify([tokens, numbers.query[0].length, numbers.value[0].length]);
    if (fitted !== `${sizes} ${width}`) cellWidth = fit(chain, tokens, numbers, width);
    fitted = `${sizes} ${width}`;
    if (made !== sizes) build();
    made = sizes;
    const decimals = cellWidth >= TWO_DECIMALS ? 2 : cellWidth >= ONE_DECIMAL ? 1 : -1;
    for (const name in numbers) matrices[name].fill(numbers[name], decimals);
    for (const step of all) step.name(written(settings.divisor));
    const last = tokens.length - 1, place = current;
    const { length, 0: { length: across } } = numbers[place.name];
    if (!PAIRS.includes(place.name)) light({ name: "weights", i: Math.min(place.i, last), j: Math.min(place.j, last) });
    light({ name: place.name, i: Math.min(place.i, length - 1), j: Math.min(place.j, across - 1) });
    if (focused && !chain.contains(document.activeElement)) goTo(focused.name, focused.i, focused.j);
  }

  function build() {
    const named = { query: [tokens, []], key: [[], tokens], value: [tokens, []], output: [tokens, []] };
    lit = [];
    for (const name in numbers) {
      const size = [numbers[name].length, numbers[name][0].length];
      matrices[name] = makeMatrix(name, size, ...(named[name] ?? [tokens, tokens]));
    }
    for (const step of all) step.fill(matrices);
  }

  function goTo(name, i, j) {
    const { cells } = matrices[name];
    const cell = cells[Math.min(Math.max(i, 0), cells.length - 1)].at(Math.min(Math.max(j, 0), cells[0].length - 1));
    for (const each of cells.flat()) each.tabIndex = each === cell ? 0 : -1;
    cell.focus();
  }

  chain.addEventListener("pointerover", ({ target }) => {
    const cell = target.closest("td");
    if (cell?.place) light(cell.place);
  });
  chain.addEventListener("focusin", ({ target }) => { if (target.place) light(target.place); });
  chain.addEventListener("keydown", (event) => {
    const { place } = event.target;
    if (!place || !(event.key in ARROWS)) return;
    const [down, right] = ARROWS[event.key];
    goTo(place.name, place.i + down, place.j + right);
    event.preventDefault();
  });
  return { element: chain, draw };
}

// The largest cells with which queries stand beside scores, and the space that the words need.
function fit(chain, tokens, { query, value }, width) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `12px ${getComputedStyle(chain).fontFamily}`;
  const widest = Math.min(LONGEST_LABEL, Math.ceil(Math.max(...tokens.map((word) => pen.measureText(word).width)))) + 8;
  const columns = tokens.length + Math.max(query[0].length, value[0].length);
  const cell = Math.max(SMALLEST, Math.min(LARGEST, Math.floor((width - 2 * widest - GAP - 8) / columns)));
  chain.classList.toggle("upright", widest > cell);
  chain.classList.toggle("small-print", cell < LARGE_PRINT);
  chain.style.cssText = `--cell: ${cell}px; --label: ${widest}px; --gap: ${GAP}px`;
  return cell;
}
