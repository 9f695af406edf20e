// The numbers of the attention lab, held against sums that can be done by hand.

import assert from "node:assert/strict";
import test from "node:test";

import { attend, divisorOf, softmax, written } from "../../learnkit/labs/attention/attend.js";

function close(actual, expected) {
  const [numbers, wanted] = [actual.flat(), expected.flat()];
  assert.equal(numbers.length, wanted.length);
  numbers.forEach((x, i) => assert.ok(x === wanted[i] || Math.abs(x - wanted[i]) < 1e-12, `${x} is not ${wanted[i]}`));
}

test("softmax makes parts of a whole of powers of e", () => {
  close(softmax([0, Math.log(2), Math.log(5)]), [1 / 8, 2 / 8, 5 / 8]);
  close(softmax([7]), [1]);
});

test("softmax depends on differences only, and takes numbers whose powers are too large or too small", () => {
  close(softmax([1000, 1000 + Math.log(3)]), [1 / 4, 3 / 4]);
  close(softmax([-1000, -1000 + Math.log(3)]), [1 / 4, 3 / 4]);
});

test("softmax gives nothing to what is blocked", () => {
  close(softmax([0, -Infinity, Math.log(4)]), [1 / 5, 0, 4 / 5]);
});

// Two words, two heads of two features. Scores divided by 2 / ln 3 make powers of 3.
const WORDS = {
  query: [[1, 0, 0, 2], [0, 1, 1, 0]],
  key: [[1, 0, 0, 1], [1, 2, 3, 0]],
  value: [[4, 0, 1, 1], [0, 8, 1, 5]],
};
const SETTINGS = { heads: 2, divisor: 2 / Math.log(3), causal: false };

test("a head goes from its own queries, keys and values to its output", () => {
  const { query, key, scores, scaled, weights, value, output } = attend(WORDS, 0, SETTINGS);
  close(query, [[1, 0], [0, 1]]);
  close(key, [[1, 1], [0, 2]]); // Kᵀ: a word is a column
  close(scores, [[1, 1], [0, 2]]);
  close(scaled, [[Math.log(3) / 2, Math.log(3) / 2], [0, Math.log(3)]]);
  close(weights, [[1 / 2, 1 / 2], [1 / 4, 3 / 4]]);
  close(value, [[4, 0], [0, 8]]);
  close(output, [[2, 4], [1, 6]]);
});

test("the second head has the other half of the features", () => {
  const { scores, weights, output } = attend(WORDS, 1, SETTINGS);
  close(scores, [[2, 0], [0, 3]]);
  close(weights[0], [3 / 4, 1 / 4]);
  close(output[0], [1, 2]);
});

test("a causal head gives no weight to a word that comes later", () => {
  const { scaled, weights, output } = attend(WORDS, 0, { ...SETTINGS, causal: true });
  assert.equal(scaled[0][1], -Infinity);
  close(weights, [[1, 0], [1 / 4, 3 / 4]]);
  close(output, [[4, 0], [1, 6]]);
});

test("a number is shown as long, whatever its size, and never as minus zero", () => {
  assert.deepEqual([1.234, 12.34, 123.4, -1.5, -0.001, 0, 2e5, -Infinity].map((x) => written(x)),
    ["1.23", "12.3", "123", "−1.50", "0.00", "0.00", "2.0e+5", "−∞"]);
  assert.equal(written(0.00012, 3), "1.2e−4");
});

test("what the scores are divided by is the root of the features times the temperature, and is written so", () => {
  const words = { query_features: 8, embed_dim: 16 }, settings = { heads: 2, temperature: 1, scale: "head", causal: false };
  assert.deepEqual(divisorOf(words, settings), { heads: 2, causal: false, divisor: 2, divided: "√4" });
  assert.deepEqual(divisorOf(words, { ...settings, temperature: 0.5, scale: "model" }), { heads: 2, causal: false, divisor: 2, divided: "(√16 · 0.5)" });
  assert.equal(divisorOf(words, { ...settings, scale: "none" }).divisor, 1);
});
