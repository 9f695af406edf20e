// What labs that train have at their top: buttons, how far the training is, what there is to say; and what is spoken.

import { makeButton } from "./controls.js";
import { fill, make, setText } from "./dom.js";

const SECONDS_BETWEEN_SPOKEN = 4;
const STATUS = "{status}: {progress}";
const SPOKEN = "After {when}: {what} {value}, {course}.";
const COURSE = { 1: "rising", 0: "unchanged", "-1": "falling" };

// Buttons are [label, kind of CSS class, action of the lab].
export function makeBoard(link, name, buttons) {
  const bar = make("div", { class: "lk-bar", role: "toolbar", "aria-label": name },
    ...buttons.map(([label, kind, action]) => makeButton(label, () => link.press(action), kind)));
  const status = make("p", { class: "lk-status" }), figures = make("p", { class: "lk-figures" });
  const progress = make("progress", { max: 1, "aria-label": "of this training" });
  const message = make("p", { class: "lk-message", role: "status" });
  const spoken = make("p", { class: "lk-spoken", role: "status" });
  const say = makeSpeaker(spoken);
  function show(frame, changed, figuresNow, heard) {
    setText(status, fill(STATUS, frame));
    progress.value = frame.share;
    setText(figures, figuresNow);
    if (changed.has("message")) setText(message, frame.message);
    say(frame.status === "training" ? "" : status.textContent, heard);
  }
  return { head: make("div", { class: "lk-head" }, bar, make("div", { class: "lk-state" }, progress, status, figures)),
    message, spoken, show };
}

// Says what has changed, and not too often: a curve that grows 30 times a second is heard now and then.
// What is heard is { when, what, value, before }, such as "epoch 3", "validation accuracy", 0.94 and 0.93.
export function makeSpeaker(element, now = () => performance.now()) {
  let atRest = "", when = "", last = -Infinity;
  return (resting, heard) => {
    if (resting && resting !== atRest) setText(element, resting);
    atRest = resting;
    if (!heard || heard.when === when || now() - last < 1_000 * SECONDS_BETWEEN_SPOKEN) return;
    const course = COURSE[Math.sign(heard.value - heard.before)];
    const sentence = fill(SPOKEN, { ...heard, value: heard.value.toFixed(3), course });
    setText(element, resting ? `${sentence} ${resting}` : sentence);
    when = heard.when;
    last = now();
  };
}
