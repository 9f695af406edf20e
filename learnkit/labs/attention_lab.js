// The view of AttentionLab. The kernel makes queries, keys and values of a sentence; all that follows from them is
// computed here, so that sliders and hovering need no kernel. See attention_lab.py for the names that both sides use.

const LARGEST = 40, SMALLEST = 18; // width of a cell, in pixels
const LARGE_PRINT = 37, TWO_DECIMALS = 33, ONE_DECIMAL = 25; // what a cell must measure for them
const LONGEST_LABEL = 104, GAP = 14;
const TITLES = { query: "Q", key: "Kᵀ", value: "V" }; // the other matrices are called what they are
const PAIRS = ["scores", "scaled", "weights"]; // they have a cell for each pair of words
const TEMPERATURES = Array.from({ length: 21 }, (_, i) => Number((10 ** ((i - 10) / 10)).toPrecision(2)));

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function set(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

// A word in its own direction of writing, whatever stands around it.
const isolated = (word) => make("bdi", {}, word);

// ---------------------------------------------------------------- the numbers

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const column = (rows, j) => rows.map((row) => row[j]);
const transposed = (rows) => rows[0].map((_, j) => column(rows, j));

function softmax(row) {
  const most = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

// One head, from its queries, keys and values to its output. A matrix is a list of rows; keys are columns, as in Q Kᵀ.
function attend(words, head, { heads, divisor, causal }) {
  const own = (rows) => rows.map((row) => row.slice((head * row.length) / heads, ((head + 1) * row.length) / heads));
  const [query, keys, value] = [words.query, words.key, words.value].map(own);
  const scores = query.map((q) => keys.map((k) => dot(q, k)));
  const scaled = scores.map((row, i) => row.map((score, j) => (causal && j > i ? -Infinity : score / divisor)));
  const weights = scaled.map(softmax);
  const output = weights.map((row) => transposed(value).map((feature) => dot(row, feature)));
  return { query, key: transposed(keys), scores, scaled, weights, value, output };
}

function said(number, decimals = 2) {
  if (number === -Infinity) return "−∞";
  const size = Math.abs(number);
  const text = size >= 1e5 || (size > 0 && size < 5e-4 && decimals > 2) ? number.toExponential(1)
    : number.toFixed(Math.max(0, decimals - (size >= 100 ? 2 : size >= 10 ? 1 : 0))); // as long, whatever its size
  return text.replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}

// ---------------------------------------------------------------- what made a cell

// Rows, columns and cells of other matrices, which light up with cell (i, j) of a matrix.
const SOURCES = {
  scores: (i, j) => [{ name: "query", row: i }, { name: "key", column: j }],
  scaled: (i, j) => [{ name: "scores", row: i, column: j }],
  weights: (i) => [{ name: "scaled", row: i }],
  output: (i, j) => [{ name: "weights", row: i }, { name: "value", column: j }],
};

const term = (kind, number) => make("span", { class: kind }, said(number));

function products(as, bs) {
  return as.flatMap((a, i) => {
    const second = bs[i] < 0 ? ["(", term("of-column", bs[i]), ")"] : [term("of-column", bs[i])];
    return [i ? " + " : "", term("of-row", a), "·", ...second];
  });
}

// The sum that made a cell, as text and elements.
function writtenOut({ name, i, j }, numbers, words, settings) {
  const [row, other] = [words[i], words[j]].map((word) => (word === undefined ? "" : isolated(word)));
  const result = make("b", {}, said(numbers[name][i][j], 3));
  const pair = ["“", row, "” → “", other, "” = "];
  const blocked = settings.causal && j > i;
  switch (name) {
    case "query": case "value":
      return [`${name}, number ${j + 1} of “`, row, "” = ", result, `: the layer's ${name} matrix makes it of the word's vector`];
    case "key":
      return [`key, number ${i + 1} of “`, other, "” = ", result, ": the layer's key matrix makes it of the word's vector"];
    case "scores":
      return ["score ", ...pair, ...products(numbers.query[i], column(numbers.key, j)), " = ", result];
    case "scaled":
      return blocked
        ? ["“", row, "” may not look ahead at “", other, "”: −∞ instead of ", said(numbers.scores[i][j] / settings.divisor)]
        : ["scaled ", ...pair, term("of-row", numbers.scores[i][j]), " / ", settings.divided, " = ", result];
    case "weights": {
      const scaled = numbers.scaled[i], most = Math.max(...scaled);
      const less = most > 20 || most < -20 ? most : 0; // where e to that power would be too large or small to be read
      const power = (x) => [make("i", {}, "e"), make("sup", {}, term("of-row", x - less))];
      const sum = scaled.reduce((total, x) => total + Math.exp(x - less), 0);
      const remark = less ? [` (of each, ${said(less)} is taken off, which changes no weight)`] : [];
      return ["weight ", ...pair, ...power(scaled[j]), " / (",
        ...scaled.flatMap((x, k) => [k ? " + " : "", ...power(x)]), ") = ",
        `${said(Math.exp(scaled[j] - less), 3)} / ${said(sum, 3)} = `, result, ...remark];
    }
    case "output":
      return [`output of “`, row, `”, number ${j + 1} = `, ...products(numbers.weights[i], column(numbers.value, j)), " = ", result];
  }
}

// ---------------------------------------------------------------- the matrices

// A matrix to be filled with numbers, again and again: to change cells is quicker than to make them.
function makeMatrix(name, [height, width], rowWords, columnWords) {
  const title = TITLES[name] ?? name;
  const called = (words, k) => words[k] ?? `number ${k + 1}`;
  const header = (role, words, k) => make("th", { role, title: called(words, k) },
    words[k] === undefined ? String(k + 1) : isolated(words[k]));
  const cells = Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) =>
    Object.assign(make("td", { role: "gridcell", tabindex: i || j ? -1 : 0 }), { place: { name, i, j } })));
  function fill(numbers, decimals) {
    const largest = name === "weights" ? 1 : Math.max(...numbers.flat().filter(Number.isFinite).map(Math.abs), 1e-9);
    numbers.forEach((row, i) => row.forEach((number, j) => {
      const cell = cells[i][j], isNumber = Number.isFinite(number);
      cell.style.setProperty("--part", isNumber ? (Math.abs(number) / largest).toFixed(3) : "0");
      cell.setAttribute("aria-label", `${title}, ${called(rowWords, i)}, ${called(columnWords, j)}: ${said(number)}`);
      cell.textContent = decimals < 0 ? "" : said(number, decimals);
      cell.classList.toggle("negative", isNumber && number < 0);
      cell.classList.toggle("blocked", !isNumber);
    }));
  }
  const head = make("tr", { role: "row" }, make("td", { class: "corner" }),
    ...cells[0].map((_, j) => header("columnheader", columnWords, j)));
  const rows = cells.map((row, i) => make("tr", { role: "row" }, header("rowheader", rowWords, i), ...row));
  const table = make("table", { role: "grid", "aria-label": title }, make("tbody", { role: "rowgroup" }, head, ...rows));
  return { cells, fill, element: make("div", { class: `matrix ${name}` }, make("div", { class: "title" }, title), table) };
}

// A step of the chain: its matrices, and in the corner that they leave free, the sum of one of their cells.
function makeStep(title, names) {
  const sum = make("p", { class: "sum", id: `learnkit-sum-${names[0]}-${++steps}` });
  const room = make("div", { class: `step ${names.length === 1 ? "single" : ""}` });
  const element = make("section", { "aria-label": title }, make("h4", {}, title), room);
  const fill = (matrices) => {
    room.replaceChildren(sum, ...names.map((name) => matrices[name].element));
    for (const cell of names.flatMap((name) => matrices[name].cells.flat(2))) cell.setAttribute("aria-describedby", sum.id);
  };
  return { element, names, sum, fill, rename: (text) => { element.firstChild.textContent = text; } };
}

let steps = 0; // made on this page, so that each sum has an id of its own

function makeChain(model) {
  const chain = make("div", { class: "chain" });
  const all = [
    makeStep("scores = Q Kᵀ", ["key", "query", "scores"]),
    makeStep("scaled = scores / …", ["scaled"]),
    makeStep("weights = softmax of each row, output = weights V", ["value", "weights", "output"]),
  ];
  chain.append(...all.map(({ element }) => element));
  let current = { name: "weights", i: 1, j: 0 }; // what is lit
  let numbers = null, matrices = {}, lit = [], made = ""; // for which words and sizes

  function settingsOf() {
    const words = model.get("words"), heads = model.get("heads"), temperature = model.get("temperature");
    const scale = model.get("scale");
    const features = { none: 1, head: words.query_features / heads, model: words.embed_dim }[scale];
    const root = scale === "none" ? "1" : `√${features}`;
    const divided = temperature === 1 ? root : `(${root} · ${temperature})`;
    return { heads, causal: model.get("causal"), divisor: Math.sqrt(features) * temperature, divided };
  }

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
      if (there) sum.replaceChildren(...writtenOut({ ...place, name: there }, numbers, model.get("words").tokens, settingsOf()));
    }
  }

  function draw() {
    const words = model.get("words"), settings = settingsOf(), { tokens } = words;
    const focused = chain.contains(document.activeElement) ? document.activeElement.place : null;
    chain.hidden = tokens.length === 0;
    if (chain.hidden) return;
    numbers = attend(words, Math.min(model.get("head"), settings.heads - 1), settings);
    const cell = fit(chain, tokens, numbers);
    const decimals = cell >= TWO_DECIMALS ? 2 : cell >= ONE_DECIMAL ? 1 : -1;
    const named = { query: [tokens, []], key: [[], tokens], value: [tokens, []], output: [tokens, []] };
    const wanted = JSON.stringify([tokens, numbers.query[0].length, numbers.value[0].length]);
    if (wanted !== made) {
      made = wanted;
      lit = [];
      for (const name in numbers) {
        const size = [numbers[name].length, numbers[name][0].length];
        matrices[name] = makeMatrix(name, size, ...(named[name] ?? [tokens, tokens]));
      }
      for (const step of all) step.fill(matrices);
    }
    for (const name in numbers) matrices[name].fill(numbers[name], decimals);
    all[1].rename(`scaled = scores / ${said(settings.divisor)}`);
    const last = tokens.length - 1, place = current;
    light({ name: "weights", i: Math.min(place.i, last), j: Math.min(place.j, last) });
    const { length, 0: { length: across } } = numbers[place.name];
    light({ name: place.name, i: Math.min(place.i, length - 1), j: Math.min(place.j, across - 1) });
    if (focused) goTo(focused.name, focused.i, focused.j);
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
    const arrows = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
      Home: [0, -Infinity], End: [0, Infinity] };
    if (!place || !(event.key in arrows)) return;
    const [down, right] = arrows[event.key];
    goTo(place.name, place.i + down, place.j + right);
    event.preventDefault();
  });
  return { chain, draw, settingsOf };
}

// The largest cells with which queries stand beside scores, and the room that the words need.
function fit(chain, tokens, { query, value }) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `12px ${getComputedStyle(chain).fontFamily}`;
  const widest = Math.min(LONGEST_LABEL, Math.ceil(Math.max(...tokens.map((word) => pen.measureText(word).width)))) + 8;
  const columns = tokens.length + Math.max(query[0].length, value[0].length);
  const room = chain.parentElement.clientWidth - 2 * widest - GAP - 8;
  const cell = Math.max(SMALLEST, Math.min(LARGEST, Math.floor(room / columns)));
  chain.classList.toggle("upright", widest > cell);
  chain.classList.toggle("small-print", cell < LARGE_PRINT);
  chain.style.cssText = `--cell: ${cell}px; --label: ${widest}px; --gap: ${GAP}px`;
  return cell;
}

// ---------------------------------------------------------------- the controls

function makeSlider(label, stops, { read, write, text }) {
  const input = make("input", { type: "range", min: 0, max: stops().length - 1, "aria-label": label });
  const output = make("output", {});
  const show = () => {
    const values = stops();
    input.max = values.length - 1;
    const exact = values.indexOf(read()); // or, of a number that the next cell has set, the first stop that is not below
    input.value = exact >= 0 ? exact : values.findIndex((stop) => stop >= read());
    output.textContent = text(read());
    input.setAttribute("aria-valuetext", output.textContent);
    input.disabled = values.length === 1;
  };
  input.addEventListener("input", () => write(stops()[Number(input.value)]));
  return { element: make("label", { class: "slider" }, make("span", {}, label), input, output), show };
}

function makeControls(model) {
  const one = (name) => ({ read: () => model.get(name), write: (value) => set(model, name, value) });
  const features = () => model.get("words").query_features / model.get("heads");
  const sliders = [
    makeSlider("temperature", () => TEMPERATURES, { ...one("temperature"), text: String }),
    makeSlider("scale", () => ["none", "head", "model"], { ...one("scale"),
      text: (scale) => ({ none: "1", head: `√d_head = ${said(Math.sqrt(features()))}`,
        model: `√d_model = ${said(Math.sqrt(model.get("words").embed_dim))}` })[scale] }),
    makeSlider("heads", () => model.get("words").possible_heads, { ...one("heads"),
      text: (heads) => `${heads} (d_head = ${features()})` }),
  ];
  const causal = make("input", { type: "checkbox", onchange: () => set(model, "causal", causal.checked) });
  const label = make("label", { class: "slider" }, make("span", {}, "causal"),
    make("span", { class: "checkbox" }, causal, " no word looks ahead"));
  const show = () => {
    for (const slider of sliders) slider.show();
    causal.checked = model.get("causal");
  };
  return { element: make("div", { class: "controls" }, ...sliders.map(({ element }) => element), label), show };
}

// A small picture of each head's weights; a press shows that head.
function makeHeads(model, settingsOf) {
  const group = make("div", { class: "heads", role: "group", "aria-label": "which head is shown" });
  function draw() {
    const words = model.get("words"), settings = settingsOf(), shown = Math.min(model.get("head"), settings.heads - 1);
    const focused = [...group.children].indexOf(document.activeElement);
    group.hidden = words.tokens.length === 0;
    if (group.hidden) return;
    group.replaceChildren(...Array.from({ length: settings.heads }, (_, head) => {
      const { weights } = attend(words, head, settings);
      const canvas = make("canvas", { width: weights.length, height: weights.length, "aria-hidden": "true" });
      const image = new ImageData(weights.length, weights.length);
      weights.flat().forEach((weight, i) => image.data.set([30, 136, 200, Math.round(255 * weight)], 4 * i));
      canvas.getContext("2d").putImageData(image, 0, 0);
      const press = () => set(model, "head", head);
      return make("button", { onclick: press, "aria-pressed": String(head === shown) }, canvas, `head ${head}`);
    }));
    group.children[focused]?.focus();
  }
  return { group, draw };
}

function render({ model, el }) {
  el.classList.add("learnkit-attention");
  const remark = make("div", { class: "remark", role: "alert" });
  const { chain, draw, settingsOf } = makeChain(model);
  const controls = makeControls(model), heads = makeHeads(model, settingsOf);
  const sentence = make("input", { type: "text", "aria-label": "sentence", dir: "auto",
    oninput: () => set(model, "sentence", sentence.value) });
  const show = () => {
    if (sentence !== document.activeElement) sentence.value = model.get("sentence");
    remark.textContent = model.get("remark");
    controls.show();
    heads.draw();
    draw();
  };
  el.append(make("label", { class: "sentence" }, make("span", {}, "sentence"), sentence), remark, controls.element, heads.group,
    make("p", { class: "hint" }, "Rows are words that ask, columns words that are looked at. Point at a cell, or go to it with Tab and the "
      + "arrow keys: what it is made of lights up, and the sum is written out."), chain);
  // JupyterLab would take an arrow key for its own, and go to another cell of the notebook.
  el.addEventListener("keydown", (event) => event.stopPropagation());
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (el.clientWidth === width || !el.clientWidth) return;
    width = el.clientWidth;
    draw();
  });
  show();
  model.on("change", show);
  observer.observe(el);
  return () => {
    model.off("change", show);
    observer.disconnect();
  };
}

export { attend, said, softmax }; // for tests/js
export default { render };
