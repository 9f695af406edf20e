// Controls that a hand, a keyboard and a screen reader can use. Each has an element and show(value, refusal).

import { make, setAttribute, setText } from "./dom.js";

const TYPED = "{label}, typed"; // the name of the field beside a slider

let made = 0;

// A field that takes any text; whether it can be, the kernel says. While a person types, nothing else is shown in it.
export function makeField(label, write, attributes = {}) {
  let shown = "", isTyped = false;
  const element = make("input", { type: "text", autocomplete: "off", spellcheck: "false", "aria-label": label, ...attributes });
  const show = (value) => {
    shown = String(value);
    if (!isTyped && element.value !== shown) element.value = shown;
  };
  element.addEventListener("input", () => { isTyped = true; });
  element.addEventListener("change", () => {
    isTyped = false;
    write(element.value.trim());
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    isTyped = false;
    element.value = shown;
  });
  return { element, show };
}

// A slider along some ticks, with a field beside it.
export function makeNumber(label, { ticks, linear }, write) {
  const id = `lk-refusal-${++made}-${Math.random().toString(36).slice(2)}`;
  const slider = make("input", { type: "range", min: 0, max: ticks.length - 1, "aria-label": label,
    oninput: () => write(ticks[slider.value]) });
  const field = makeField(TYPED.replace("{label}", label), write, { inputmode: "decimal", "aria-describedby": id });
  const refused = make("p", { class: "lk-refusal", id, role: "alert" });
  function show(value, refusal = "") {
    const tick = nearest(ticks, Number(value), linear);
    if (Number(slider.value) !== tick) slider.value = tick;
    setAttribute(slider, "aria-valuetext", String(value));
    slider.style.setProperty("--part", `${(100 * tick) / (ticks.length - 1)}%`);
    setText(refused, refusal);
    setAttribute(field.element, "aria-invalid", String(refusal !== ""));
    field.show(value);
  }
  return { element: make("div", { class: "lk-control lk-number" }, make("span", { "aria-hidden": "true" }, label),
    slider, field.element, refused), show };
}

export function makeChoice(label, { options }, write) {
  const select = make("select", { "aria-label": label }, ...options.map((name) => make("option", {}, name)));
  select.addEventListener("change", () => write(select.value));
  const show = (value) => { if (select.value !== String(value)) select.value = value; };
  return { element: make("div", { class: "lk-control" }, make("span", { "aria-hidden": "true" }, label), select), show };
}

export function makeButton(label, press, kind = "") {
  return make("button", { type: "button", class: kind, onclick: press }, label);
}

// JupyterLab would take a plain key for its own, and go to another cell of the notebook.
export function keepKeys(element) {
  element.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
}

// The number of the tick that is nearest to a value, unless told otherwise in proportion; a half stands for 0.
export function nearest(ticks, value, linear = false) {
  const place = linear ? (x) => x : (x) => Math.log(x || 0.5);
  const far = (tick) => Math.abs(place(tick) - place(value));
  return ticks.reduce((best, tick, i) => (far(tick) < far(ticks[best]) ? i : best), 0);
}
