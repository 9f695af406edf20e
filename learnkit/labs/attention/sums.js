// The sum that made a cell, written out.

import { fill, make } from "../common/dom.js";
import { column, written } from "./attend.js";

// Sentences, in parts between which words and numbers stand.
const OF_WORD = ["{name}, number {place} of “", "” = ", ": the layer's {name} matrix makes it of the word's vector"];
const SCORE = "score ", SCALED = "scaled ", WEIGHT = "weight ", OUTPUT = ["output of “", "”, number {place} = "];
const BLOCKED = ["“", "” may not look ahead at “", "”: −∞ instead of "];
const REMARK = " (of each, {less} is taken off, which changes no weight)";

// A word in its own direction of writing, whatever stands around it.
export const isolated = (word) => make("bdi", {}, word);

const term = (kind, number) => make("span", { class: kind }, written(number));

function products(as, bs) {
  return as.flatMap((a, i) => {
    const [before, after] = bs[i] < 0 ? ["·(", ")"] : ["·", ""];
    return [i ? " + " : "", term("of-row", a), before, term("of-column", bs[i]), after];
  });
}

// Text and elements, for the cell (i, j) of a matrix.
export function sumOf({ name, i, j }, numbers, words, settings) {
  const word = (k) => isolated(words[k] ?? ""), value = numbers[name][i][j];
  const result = make("b", {}, written(value, 3)), pair = ["“", word(i), "” → “", word(j), "” = "];
  const ofWord = (k, place) => {
    const [before, after, why] = OF_WORD.map((text) => fill(text, { name, place: place + 1 }));
    return [before, word(k), after, result, why];
  };
  switch (name) {
    case "query": case "value": return ofWord(i, j);
    case "key": return ofWord(j, i);
    case "scores": return [SCORE, ...pair, ...products(numbers.query[i], column(numbers.key, j)), " = ", result];
    case "scaled":
      return settings.causal && j > i
        ? [BLOCKED[0], word(i), BLOCKED[1], word(j), BLOCKED[2], written(numbers.scores[i][j] / settings.divisor)]
        : [SCALED, ...pair, term("of-row", numbers.scores[i][j]), " / ", settings.divided, " = ", result];
    case "weights": return weight(numbers.scaled[i], j, pair, result);
    default:
      return [OUTPUT[0], word(i), fill(OUTPUT[1], { place: j + 1 }),
        ...products(numbers.weights[i], column(numbers.value, j)), " = ", result];
  }
}

function weight(scaled, j, pair, result) {
  const most = Math.max(...scaled);
  const less = most > 20 || most < -20 ? most : 0; // where e to that power would be too large or small to be read
  const power = (x) => [make("i", {}, "e"), make("sup", {}, term("of-row", x - less))];
  const sum = scaled.reduce((total, x) => total + Math.exp(x - less), 0);
  const remark = less ? [fill(REMARK, { less: written(less) })] : [];
  return [WEIGHT, ...pair, ...power(scaled[j]), " / (", ...scaled.flatMap((x, k) => [k ? " + " : "", ...power(x)]), ") = ",
    `${written(Math.exp(scaled[j] - less), 3)} / ${written(sum, 3)} = `, result, ...remark];
}
