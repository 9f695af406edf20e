// Curves, their axes, and what is spoken of them.

import assert from "node:assert/strict";
import test from "node:test";

import { makeSpeaker } from "../../learnkit/labs/common/board.js";
import { nearest } from "../../learnkit/labs/common/controls.js";
import { blocks, ends, outline, ticks, topOf, zoom } from "../../learnkit/labs/common/curves.js";
import { heightsOf } from "../../learnkit/labs/training/pictures.js";
import { thinned } from "../../learnkit/labs/threshold/decisions.js";

test("ticks are round numbers within their limits", () => {
  assert.deepEqual(ticks(0, 1, 5).map((x) => Number(x.toFixed(9))), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-13, 17, 5), [-10, 0, 10]);
  assert.deepEqual(ticks(0, 2, 5, 1), [0, 1, 2]);
  assert.deepEqual(ticks(0, 1, 5, 1).length, 6); // of one epoch alone, parts are shown
});

test("the picture zooms out as the curve grows, and no further than there is", () => {
  assert.deepEqual([0, 0.5, 1, 1.1, 3, 6, 11, 300].map((reached) => zoom(reached, 1000)), [1, 1, 1, 2, 5, 10, 20, 500]);
  assert.deepEqual([zoom(0.2, 5), zoom(4, 5), zoom(6, 8), zoom(9, 9)], [1, 5, 8, 9]);
});

test("what comes after a steep beginning fills the picture, once there is something", () => {
  const loss = { x: [0.1, 1, 2, 3, 4, 5], y: [2.3, 0.62, 0.5, 0.4, 0.35, 0.31] };
  assert.equal(topOf([loss], 1, 2.4), 2.5);
  assert.equal(topOf([loss], 5, 0), 0.7);
  assert.equal(topOf([{ x: [3], y: [5000] }], 5, 0), 10);
});

test("a curve's blocks end after so many steps each, the last one where the curve ends", () => {
  assert.deepEqual([...ends(3, { block: 4, steps: 10 })], [4, 8, 10]);
  const buffer = Float32Array.of(1, 2, 3, 4, 5, 6).buffer;
  const { x, mean, low, high } = blocks(buffer, { block: 2, steps: 4 }, 4);
  assert.deepEqual([x, mean, low, high].map((array) => [...array]), [[0.5, 1], [1, 2], [3, 4], [5, 6]]);
});

test("an outline goes along its points, around its band, or is a dot at each", () => {
  assert.equal(outline("line", [0, 0.5], [1, 0.2]), "M0 1L0.5 0.2");
  assert.equal(outline("line", [0.3], [1]), "M0.3 1h0");
  assert.equal(outline("line", [], []), "");
  assert.equal(outline("band", [0, 1], [0.2, 0.3], [0.6, 0.7]), "M0 0.2L1 0.3L1 0.7L0 0.6");
  assert.equal(outline("dots", [0, 1], [0.2, 0.3]), "M0 0.2h0M1 0.3h0");
});

test("a slider stands at the tick that is nearest in proportion, or in distance if it is linear", () => {
  assert.equal(nearest([0, 1, 2, 3], 0), 0);
  assert.equal(nearest([1, 100], 9), 0);
  assert.equal(nearest([1, 100], 11), 1);
  assert.equal(nearest([-1, 0, 1], -0.4, true), 1);
  assert.equal(nearest([0.1, 0.2, 0.3], 0.24, true), 1);
});

test("a bar is the higher the more numbers it stands for", () => {
  const [input, narrow, wide, output] = heightsOf([784, 1, 256, 10]);
  assert.ok(narrow < output && output < wide && wide < input && input < 100);
  assert.equal(heightsOf([4096])[0], 100);
});

test("a curve of many points is thinned, and keeps its ends and its spike", () => {
  const x = Array.from({ length: 10_001 }, (_, i) => i / 10_000);
  for (const height of [2, -1]) {
    const y = x.map((_, i) => (i === 7500 ? height : i < 5000 ? 1 - (i % 2) : 0)); // a wild half, beside which a spike is little
    const curve = thinned(x, y, 300);
    assert.ok(curve.x.length <= 300);
    assert.deepEqual([curve.x[0], curve.y[0], curve.x.at(-1), curve.y.at(-1)], [0, 1, 1, 0]);
    assert.equal(curve.y[curve.x.indexOf(0.75)], height);
    assert.deepEqual(curve.x, [...curve.x].sort((a, b) => a - b));
  }
});

test("a curve is spoken now and then, with where it goes, and a rest at once", () => {
  let now = 0;
  const element = { textContent: "" }, say = makeSpeaker(element, () => now);
  const epoch = (number, value, before) => ({ when: `epoch ${number}`, what: "validation accuracy", value, before });
  say("", epoch(1, 0.8, 0));
  assert.equal(element.textContent, "After epoch 1: validation accuracy 0.800, rising.");
  now = 1_000;
  say("", epoch(2, 0.9, 0.8));
  assert.match(element.textContent, /epoch 1/);
  now = 5_000;
  say("", epoch(3, 0.85, 0.9));
  assert.equal(element.textContent, "After epoch 3: validation accuracy 0.850, falling.");
  say("paused: epoch 3 of 5", epoch(3, 0.85, 0.9));
  assert.equal(element.textContent, "paused: epoch 3 of 5");
});
