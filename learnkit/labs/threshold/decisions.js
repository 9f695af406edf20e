// What a threshold makes of scores: counts, rates, costs, and the curves that they draw. state.py computes the same.

const BINS = 60, POINTS = 300; // of a curve, at most

// Scores in ascending order, and for each whether its item is positive (1) or not (0). A threshold is rounded as the
// scores were: in single precision, 1.9 is not above a score of 1.9.
export function makeDecisions(scores, labels, end, asScore = (x) => x) {
  const positivesBelow = new Float64Array(scores.length + 1);
  labels.forEach((label, i) => { positivesBelow[i + 1] = positivesBelow[i] + label; });
  const positives = positivesBelow[scores.length], negatives = scores.length - positives;
  const starts = Array.from(scores.keys()).filter((i) => i === 0 || scores[i] > scores[i - 1]);
  const thresholds = Float64Array.from([...starts.map((i) => scores[i]), end]);
  const all = [...starts, scores.length].map(countsFrom);

  function countsFrom(place) { // all from this place on are called positive
    const fn = positivesBelow[place], tn = place - fn;
    return { tn, fp: negatives - tn, fn, tp: positives - fn };
  }

  function countsAt(threshold) {
    const least = asScore(threshold);
    let low = 0, high = scores.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (scores[middle] < least) low = middle + 1;
      else high = middle;
    }
    return countsFrom(low);
  }

  // The lowest of the cheapest thresholds, with as few decimals as there can be.
  function cheapest(costs) {
    const sums = all.map((counts) => costOf(counts, costs));
    const place = sums.indexOf(sums.reduce((a, b) => Math.min(a, b)));
    const high = thresholds[place], low = place ? thresholds[place - 1] : high - (end - high) / 100;
    for (let places = 0; places <= 16; places++) {
      for (const number of neighbours((low + high) / 2, places)) if (low < asScore(number) && asScore(number) <= high) return number;
    }
    return high;
  }

  const rates = all.map(ratesOf);
  const curve = (x, y) => thinned(x, y, POINTS);
  return { countsAt, cheapest, counts: all, thresholds, histogram: (ends) => histogram(scores, labels, ends),
    precisionCurve: curve(...paired(rates, "recall", "precision")),
    rocCurve: curve(...paired(rates, "fpr", "recall")),
    costCurve: (costs) => curve(Array.from(thresholds), all.map((counts) => costOf(counts, costs))) };
}

// The two numbers of so many decimals about a number, the one nearer to zero first.
function neighbours(number, places) {
  const near = Number(number.toFixed(places)), other = (by) => Number((near + by * Math.sign(number) * 10 ** -places).toFixed(places));
  return Math.abs(near) <= Math.abs(number) ? [near, other(1)] : [other(-1), near];
}

export const costOf = ({ fp, fn }, [a, b]) => fp * a + fn * b;

// Precision is NaN where nothing is called positive.
export function ratesOf({ tn, fp, fn, tp }) {
  return { accuracy: (tp + tn) / (tp + tn + fp + fn), precision: tp / (tp + fp), recall: tp / (tp + fn),
    f1: (2 * tp) / (2 * tp + fp + fn), fpr: fp / (fp + tn) };
}

function paired(rates, x, y) {
  const there = rates.filter((rate) => !Number.isNaN(rate[y]));
  return [there.map((rate) => rate[x]), there.map((rate) => rate[y])];
}

// For each kind, the outline of its bars: how many items lie between an edge and the next.
function histogram(scores, labels, [low, high]) {
  const counts = [new Float64Array(BINS), new Float64Array(BINS)];
  scores.forEach((score, i) => { counts[labels[i]][Math.min(BINS - 1, Math.floor((BINS * (score - low)) / (high - low)))]++; });
  const edges = Array.from({ length: BINS + 1 }, (_, i) => low + (i * (high - low)) / BINS);
  const x = edges.slice(1).flatMap((edge, i) => [edges[i], edge]);
  return { x, y: counts.map((kind) => Array.from(kind).flatMap((count) => [count, count])), most: Math.max(...counts[0], ...counts[1]) };
}

// At most so many points of a curve: of each piece its ends, its lowest and its highest point, so that a spike stays.
// Pieces are of about equal length on the screen.
export function thinned(x, y, most) {
  if (x.length <= most) return { x, y };
  const spread = (values) => values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b)) || 1;
  const [wide, tall] = [spread(x), spread(y)], along = [0];
  for (let i = 1; i < x.length; i++) along.push(along[i - 1] + Math.abs(x[i] - x[i - 1]) / wide + Math.abs(y[i] - y[i - 1]) / tall);
  const piece = (i) => Math.floor((along[i] / along.at(-1)) * (most / 4 - 1));
  const kept = new Set();
  for (let i = 0, from = 0; i < x.length; i++) {
    if (i + 1 < x.length && piece(i + 1) === piece(from)) continue;
    let lowest = from, highest = from;
    for (let k = from; k <= i; k++) {
      if (y[k] < y[lowest]) lowest = k;
      if (y[k] > y[highest]) highest = k;
    }
    for (const k of [from, lowest, highest, i]) kept.add(k);
    from = i + 1;
  }
  const chosen = [...kept].sort((a, b) => a - b);
  return { x: chosen.map((i) => x[i]), y: chosen.map((i) => y[i]) };
}
