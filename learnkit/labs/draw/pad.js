// A canvas to draw on with mouse, finger or keyboard.

import { make } from "../common/dom.js";

const LABEL = "Canvas to draw a digit. Arrow keys move the pen, Space puts it down and lifts it, Backspace undoes.";
const STEP = 10; // of an arrow key; with Shift a fifth
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PAPER = "white", INK = "#222", PEN_UP = "#0072B2", PEN_DOWN = "#D55E00";

// read() gives the strokes, lists of [x, y]; write() takes others. Sizes are in the kernel's pixels.
export function makePad({ canvas: size, pen }, read, write) {
  const pad = make("canvas", { class: "lk-pad", width: size, height: size, tabindex: 0, role: "application",
    "data-lm-suppress-shortcuts": "true", "aria-label": LABEL });
  let cursor = { x: size / 2, y: size / 4, isDown: false, isShown: false };
  let isDrawing = false; // a pointer is down

  function show() {
    const context = pad.getContext("2d");
    context.fillStyle = PAPER;
    context.fillRect(0, 0, size, size);
    Object.assign(context, { lineWidth: pen, lineCap: "round", lineJoin: "round", strokeStyle: INK });
    for (const [first, ...others] of read().filter((stroke) => stroke.length)) {
      context.beginPath();
      context.moveTo(...first);
      for (const point of [first, ...others]) context.lineTo(...point);
      context.stroke();
    }
    if (!cursor.isShown) return;
    context.beginPath();
    context.arc(cursor.x, cursor.y, pen / 2, 0, 2 * Math.PI);
    Object.assign(context, { lineWidth: 3, strokeStyle: cursor.isDown ? PEN_DOWN : PEN_UP });
    context.stroke();
  }

  const begin = (point) => write([...read(), [point]]);
  const goOn = (points) => write([...read().slice(0, -1), [...(read().at(-1) ?? []), ...points]]);
  function undo() {
    lift();
    write(read().slice(0, -1));
  }
  function clear() {
    lift();
    write([]);
  }
  function lift() { // what is drawn next is another stroke
    isDrawing = false;
    cursor.isDown = false;
  }

  function place(event) {
    const box = pad.getBoundingClientRect();
    return [event.clientX - box.x, event.clientY - box.y].map((length) => Math.round((length * size) / box.width));
  }
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    cursor = { ...cursor, isDown: false, isShown: false };
    isDrawing = true;
    begin(place(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (isDrawing && pad.hasPointerCapture(event.pointerId)) goOn((event.getCoalescedEvents?.() ?? [event]).map(place));
  });
  pad.addEventListener("pointerup", () => { isDrawing = false; });
  pad.addEventListener("pointercancel", () => { isDrawing = false; });

  const within = (length) => Math.min(Math.max(length, 0), size);
  pad.addEventListener("keydown", (event) => {
    if (event.key in ARROWS) {
      const step = event.shiftKey ? STEP / 5 : STEP, [x, y] = ARROWS[event.key];
      cursor.x = within(cursor.x + x * step);
      cursor.y = within(cursor.y + y * step);
      if (cursor.isDown) goOn([[cursor.x, cursor.y]]);
    } else if (event.key === " ") {
      cursor.isDown = !cursor.isDown;
      if (cursor.isDown) begin([cursor.x, cursor.y]);
    } else if (event.key === "Backspace") {
      undo();
    } else return; // Tab leaves the canvas
    event.preventDefault();
    cursor.isShown = true;
    show();
  });
  pad.addEventListener("focus", () => {
    cursor.isShown = pad.matches(":focus-visible");
    show();
  });
  pad.addEventListener("blur", () => {
    cursor = { ...cursor, isDown: false, isShown: false };
    show();
  });
  return { element: pad, show, undo, clear };
}
