import assert from "node:assert/strict";
import test from "node:test";

import { likeliest } from "../../learnkit/labs/draw/view.js";

test("a net says the digit with the largest probability", () => {
  assert.equal(likeliest([0.05, 0.05, 0.7, 0.2, 0, 0, 0, 0, 0, 0]), "2 (0.70)");
});

test("a net that has no number says so", () => {
  assert.equal(likeliest(null), "no number (NaN)");
});
