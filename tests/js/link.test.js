// The page's end of the link, held against a kernel that is played here.

import assert from "node:assert/strict";
import test from "node:test";

import { linked } from "../../learnkit/labs/common/link.js";

const frames = new Map(); // what is to be drawn in the next frame, by number
let requests = 0;
globalThis.requestAnimationFrame = (draw) => {
  frames.set(++requests, draw);
  return requests;
};
globalThis.cancelAnimationFrame = (request) => frames.delete(request);
function drawAll() {
  for (const [request, draw] of [...frames]) {
    frames.delete(request);
    draw();
  }
}

// A page with a view, and what a kernel can do to it.
function makePage() {
  const sent = [], drawn = [], listeners = new Set();
  const model = { send: (message) => sent.push(message), get: () => ({}),
    on: (_, listener) => listeners.add(listener), off: (_, listener) => listeners.delete(listener) };
  let link;
  const widget = linked((context) => {
    ({ link } = context);
    return { draw: (frame, changed) => drawn.push({ frame, changed: [...changed] }) };
  })();
  const close = widget.initialize({ model });
  const leave = widget.render({ model, el: null });
  let number = 0;
  const answer = (heard, news = {}, buffers = [], asks = false) => {
    number++;
    for (const listener of listeners) listener({ number, heard: { [link.page]: heard }, asks, new: news }, buffers);
  };
  return { sent, drawn, answer, link, close, leave, listeners };
}

const started = () => {
  frames.clear();
  const page = makePage();
  page.answer(0, { values: { width: 4, rate: 0.1 }, status: "ready" });
  drawAll();
  return page;
};

test("a page says hello, and draws what it is told", () => {
  const { sent, drawn } = started();
  assert.deepEqual(sent[0], { hello: true });
  assert.deepEqual(drawn[0].frame.values, { width: 4, rate: 0.1 });
  assert.ok(drawn[0].changed.includes("status"));
});

test("what the hand has moved is shown at once, and stays until the kernel has answered", () => {
  const { drawn, answer, link } = started();
  link.change({ width: 8 });
  drawAll();
  assert.deepEqual(drawn.at(-1).frame.values, { width: 8, rate: 0.1 });
  answer(0, { values: { width: 4, rate: 0.2 } }); // it left before
  drawAll();
  assert.equal(link.values.width, 8);
  answer(1, { values: { width: 7, rate: 0.2 } });
  drawAll();
  assert.deepEqual(drawn.at(-1).frame.values, { width: 7, rate: 0.2 });
});

test("one change at a time is under way, and the last one always arrives", () => {
  const { sent, answer, link } = started();
  for (const width of [5, 6, 7, 8]) link.change({ width });
  link.change({ rate: 0.3 });
  assert.deepEqual(sent.slice(1).map(({ change }) => change), [{ width: 5 }]);
  answer(1);
  assert.deepEqual(sent.slice(1).map(({ change }) => change), [{ width: 5 }, { width: 8, rate: 0.3 }]);
  answer(2);
  assert.equal(sent.length, 3);
});

test("a press goes out at once, with what was changed before it", () => {
  const { sent, link } = started();
  link.change({ width: 5 });
  link.change({ width: 6 });
  link.press("keep", 7);
  assert.deepEqual(sent.at(-1).change, { width: 6 });
  assert.deepEqual(sent.at(-1).press, ["keep", 7]);
  assert.equal(sent.at(-1).number, 2);
});

test("what is late is not drawn, and nothing that it told is lost", () => {
  const { drawn, answer, link } = started();
  const before = drawn.length;
  link.press("reset");
  answer(0, { status: "training", pins: [1] }, [new DataView(new Uint8Array([1, 2]).buffer)]);
  drawAll();
  assert.equal(drawn.length, before);
  answer(1, { status: "ready" }); // for which a person waits: it is drawn at once
  assert.equal(drawn.length, before + 1);
  assert.equal(frames.size, 0);
  assert.deepEqual([drawn.at(-1).frame.status, drawn.at(-1).frame.pins], ["ready", [1]]);
  assert.deepEqual(drawn.at(-1).frame.arrays, []);
  assert.ok(drawn.at(-1).changed.includes("pins"));
});

test("frames that come faster than they are drawn are drawn once, and acknowledged when the kernel asks", () => {
  const { sent, drawn, answer } = started();
  const before = drawn.length;
  for (let i = 0; i < 5; i++) answer(0, { count: i }, [], i === 3);
  assert.deepEqual(sent, [{ hello: true }]);
  drawAll();
  assert.equal(drawn.length, before + 1);
  assert.equal(drawn.at(-1).frame.count, 4);
  assert.deepEqual(sent.slice(1), [{ drawn: 6 }]);
  answer(0, { count: 5 });
  drawAll();
  assert.deepEqual(sent.slice(1), [{ drawn: 6 }]);
});

test("what is late is acknowledged too, or the kernel would wait for it", () => {
  const { sent, answer, link } = started();
  link.press("reset");
  answer(0, {}, [], true);
  assert.deepEqual(sent.at(-1), { drawn: 2 });
});

test("numbers are copied out of their message, in which they may begin anywhere", () => {
  const { drawn, answer } = started();
  const bytes = new Uint8Array(9);
  bytes.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
  answer(0, {}, [new DataView(bytes.buffer, 1, 8)]);
  drawAll();
  assert.deepEqual([...new Float32Array(drawn.at(-1).frame.arrays[0])], [1.5, -2]);
});

test("a view that has left is not drawn any more, and nothing is left when the widget is closed", () => {
  const { drawn, answer, leave, close, listeners } = started();
  leave();
  const before = drawn.length;
  answer(0, { status: "paused" });
  drawAll();
  assert.equal(drawn.length, before);
  close();
  assert.equal(listeners.size, 0);
});
