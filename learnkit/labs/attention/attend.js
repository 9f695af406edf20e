// From queries, keys and values to the output of a head, in numbers. A matrix is a list of rows.

export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
export const column = (rows, j) => rows.map((row) => row[j]);
const transposed = (rows) => rows[0].map((_, j) => column(rows, j));

export function softmax(row) {
  const most = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

// One head; keys are columns, as in Q Kᵀ.
export function attend(words, head, { heads, divisor, causal }) {
  const own = (rows) => rows.map((row) => row.slice((head * row.length) / heads, ((head + 1) * row.length) / heads));
  const [query, keys, value] = [words.query, words.key, words.value].map(own);
  const scores = query.map((q) => keys.map((k) => dot(q, k)));
  const scaled = scores.map((row, i) => row.map((score, j) => (causal && j > i ? -Infinity : score / divisor)));
  const weights = scaled.map(softmax);
  const features = transposed(value);
  const output = weights.map((row) => features.map((feature) => dot(row, feature)));
  return { query, key: transposed(keys), scores, scaled, weights, value, output };
}

// What the scores are divided by, as a number and as it is written.
export function divisorOf({ query_features, embed_dim }, { heads, temperature, scale, causal }) {
  const features = { none: 1, head: query_features / heads, model: embed_dim }[scale];
  const root = scale === "none" ? "1" : `√${features}`;
  const divided = temperature === 1 ? root : `(${root} · ${temperature})`;
  return { heads, causal, divisor: Math.sqrt(features) * temperature, divided };
}

// A number in as many characters whatever its size.
export function written(number, decimals = 2) {
  if (number === -Infinity) return "−∞";
  const size = Math.abs(number);
  const text = size >= 1e5 || (size > 0 && size < 5e-4 && decimals > 2) ? number.toExponential(1)
    : number.toFixed(Math.max(0, decimals - (size >= 100 ? 2 : size >= 10 ? 1 : 0)));
  return text.replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}
