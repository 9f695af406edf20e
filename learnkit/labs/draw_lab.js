// The view of DrawLab: a canvas to draw on, and all that the kernel answers. The kernel does the computing; here stands
// only what has to happen in the browser. See draw_lab.py for the names that both sides use.

const SIDE = 28;
const CANVAS = 280; // side of the canvas in the kernel's pixels, whatever its size on the screen
const BAR = 72; // height of a probability of 1
const STEP = 10; // of an arrow key; with Shift a fifth

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// An image as the nets get it: ink dark on light paper, one square a pixel.
function picture(pixels, label) {
  const canvas = make("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": label });
  paint(canvas, pixels);
  return canvas;
}

function paint(canvas, pixels) {
  const image = new ImageData(SIDE, SIDE);
  pixels.forEach((ink, i) => image.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The name of a net where there is little room.
function letter(i) {
  return String.fromCharCode(65 + i);
}

function likeliest(answer) {
  if (!answer) return "no number (NaN)";
  const digit = answer.indexOf(Math.max(...answer));
  return `${digit} (${answer[digit].toFixed(2)})`;
}

// ---------------------------------------------------------------- drawing

function makePad(model, pen) {
  const pad = make("canvas", {
    class: "pad", width: CANVAS, height: CANVAS, tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true",
    "aria-label": "Canvas to draw a digit. Arrow keys move the pen, Space puts it down and lifts it, Backspace undoes.",
  });
  let strokes = structuredClone(model.get("strokes"));
  let cursor = { x: CANVAS / 2, y: CANVAS / 4, isDown: false, isShown: false };
  let isWaiting = false;

  function redraw() {
    const context = pad.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, CANVAS, CANVAS);
    Object.assign(context, { lineWidth: pen, lineCap: "round", lineJoin: "round", strokeStyle: "#222" });
    for (const stroke of strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke) context.lineTo(...point);
      context.stroke();
    }
    if (!cursor.isShown) return;
    context.beginPath();
    context.arc(cursor.x, cursor.y, pen / 2, 0, 2 * Math.PI);
    Object.assign(context, { lineWidth: 3, strokeStyle: cursor.isDown ? "#D55E00" : "#0072B2" });
    context.stroke();
  }

  // At most once a frame; what comes faster than the kernel answers, ipywidgets keeps back but for the newest.
  function changed() {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      redraw();
      model.set("strokes", structuredClone(strokes));
      model.save_changes();
    });
  }

  function place(event) {
    const box = pad.getBoundingClientRect();
    return [event.clientX - box.x, event.clientY - box.y].map((length) => Math.round((length * CANVAS) / box.width));
  }

  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    cursor = { ...cursor, isDown: false, isShown: false };
    strokes.push([place(event)]);
    changed();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!pad.hasPointerCapture(event.pointerId)) return;
    strokes.at(-1).push(...(event.getCoalescedEvents?.() ?? [event]).map(place));
    changed();
  });

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  pad.addEventListener("keydown", (event) => {
    if (event.key in arrows) {
      const step = event.shiftKey ? STEP / 5 : STEP;
      const [x, y] = arrows[event.key];
      cursor.x = Math.min(Math.max(cursor.x + x * step, 0), CANVAS);
      cursor.y = Math.min(Math.max(cursor.y + y * step, 0), CANVAS);
      if (cursor.isDown) strokes.at(-1).push([cursor.x, cursor.y]);
    } else if (event.key === " ") {
      cursor.isDown = !cursor.isDown;
      if (cursor.isDown) strokes.push([[cursor.x, cursor.y]]);
    } else if (event.key === "Backspace") {
      undo();
    } else return; // Tab leaves the canvas
    event.preventDefault();
    event.stopPropagation();
    cursor.isShown = true;
    changed();
  });
  pad.addEventListener("focus", () => { cursor.isShown = pad.matches(":focus-visible"); redraw(); });
  pad.addEventListener("blur", () => { cursor = { ...cursor, isDown: false, isShown: false }; redraw(); });

  function undo() {
    strokes.pop();
    cursor.isDown = false;
    changed();
  }
  function clear() {
    strokes = [];
    cursor.isDown = false;
    changed();
  }
  // The kernel, or another view of the same lab, has drawn something else.
  model.on("change:strokes", () => {
    if (isWaiting || JSON.stringify(model.get("strokes")) === JSON.stringify(strokes)) return;
    strokes = structuredClone(model.get("strokes"));
    redraw();
  });
  redraw();
  return { pad, undo, clear };
}

// ---------------------------------------------------------------- what is answered

function makeAnswers(model) {
  const seen = picture(model.get("image"), "the image that the nets get, 28 × 28 pixels");
  const models = make("div", { class: "models" });
  const status = make("div", { role: "status", class: "status" });
  let timer;

  function show() {
    paint(seen, model.get("image"));
    const answers = Object.entries(model.get("answers"));
    const isEmpty = !model.get("image").some((ink) => ink > 0);
    models.replaceChildren(...answers.map(([name, answer], i) => {
      const said = isEmpty ? "nothing drawn yet" : `says ${likeliest(answer)}`;
      const best = answer && !isEmpty ? answer.indexOf(Math.max(...answer)) : -1;
      const bars = Array.from({ length: 10 }, (_, digit) => make("div", { class: digit === best ? "best" : "" },
        make("b", { style: `height: ${(BAR * (isEmpty || !answer ? 0 : answer[digit])).toFixed(1)}px` }),
        make("span", {}, String(digit))));
      return make("div", { class: "model" }, make("div", {}, `${letter(i)}: `, make("b", {}, name), ` ${said}`),
        make("div", { class: "bars", role: "img", "aria-label": `${name} ${said}` }, ...bars));
    }));
    clearTimeout(timer); // it is spoken when the pen rests
    if (!isEmpty) timer = setTimeout(() => {
      status.textContent = answers.map(([name, answer]) => `${name} says ${likeliest(answer)}.`).join(" ");
    }, 600);
  }
  model.on("change:answers", show);
  show();
  const paper = make("figure", {}, seen, make("figcaption", {}, "what the nets get: 28 × 28"));
  return [paper, models, status];
}

function makeGallery(model) {
  const gallery = make("div", { class: "gallery" });
  function show() {
    const { digits, table } = model.get("gallery");
    const pictures = digits.map(({ image, label, said }, number) => make("figure", {},
      picture(image, `a kept ${label}`),
      make("button", { "aria-label": `remove drawing ${number + 1}, a ${label}`, title: "remove",
        onclick: () => model.send({ do: "remove", number }) }, "×"),
      make("figcaption", {}, `is ${label}`, ...said.map((digit, i) => make("div",
        { class: digit === label ? "right" : "wrong", title: table[i].name },
        `${letter(i)}: ${digit ?? "NaN"} ${digit === label ? "✓" : "✗"}`)))));
    const rows = table.map(({ name, accuracy }, i) => make("tr", {},
      make("th", { scope: "row" }, `${letter(i)}: ${name}`),
      make("td", {}, `${Math.round(accuracy * digits.length)} of ${digits.length}`),
      make("td", {}, accuracy.toFixed(2))));
    const head = make("tr", {}, ...["your digits, tested", "right", "accuracy"].map((word) =>
      make("th", { scope: "col" }, word)));
    gallery.replaceChildren(...(digits.length ? [make("div", { class: "digits" }, ...pictures),
      make("table", {}, head, ...rows)] : ["Digits that you keep are shown here, and what each net says to them."]));
  }
  model.on("change:gallery", show);
  show();
  return gallery;
}

function render({ model, el }) {
  el.classList.add("learnkit-draw");
  const { pad, undo, clear } = makePad(model, model.get("pen"));
  const button = (words, act) => make("button", { onclick: act }, words);
  const keep = Array.from({ length: 10 }, (_, label) => make("button", { "aria-label": `keep it as a ${label}`,
    onclick: () => model.send({ do: "keep", label }) }, String(label)));
  const message = make("div", { role: "alert", class: "message" });
  const tell = () => { message.textContent = model.get("message"); };
  model.on("change:message", tell);
  tell();
  el.append(
    make("div", { class: "top" },
      make("div", { class: "left" }, pad,
        make("div", { class: "buttons" }, button("Clear", clear), button("Undo", undo),
          button("Save as PNG", () => model.send({ do: "save" }))),
        make("div", { class: "buttons", role: "group", "aria-label": "keep it as" }, make("div", {}, "Keep it as a"), ...keep)),
      ...makeAnswers(model)),
    message,
    makeGallery(model),
  );
}

export { likeliest }; // for tests/js
export default { render };
