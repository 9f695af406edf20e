// Elements of a page, in a line each.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "g"]);

export function make(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Set only what differs: what is set again is laid out again, and spoken again. A text that is there is changed in its
// place: to put another there makes the browser look for all that JupyterLab styles by what it contains (7 ms).
export function setText(element, text) {
  const there = element.firstChild;
  if (there?.nodeType === 3 && !there.nextSibling) { // a text
    if (there.data !== String(text)) there.data = text;
  } else if (element.textContent !== String(text)) element.textContent = text;
}

// The same for all that an element has in it: texts, and elements of the same tag and class, are changed in their place.
export function setChildren(element, children) {
  children.forEach((child, i) => {
    const there = element.childNodes[i], node = typeof child === "string" ? document.createTextNode(child) : child;
    if (there?.nodeName !== node.nodeName || there.className !== node.className) {
      if (there) there.replaceWith(node);
      else element.append(node);
    } else if (node.nodeType !== 3) setChildren(there, [...node.childNodes]);
    else if (there.data !== node.data) there.data = node.data;
  });
  while (element.childNodes.length > children.length) element.lastChild.remove();
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// A sentence of ours with its named fields filled in.
export const fill = (sentence, fields) => sentence.replace(/\{(\w+)\}/g, (_, name) => fields[name]);

export const withCommas = (number) => number.toLocaleString("en");
