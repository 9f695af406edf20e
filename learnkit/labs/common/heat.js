// A table in which each cell is the darker, the more it holds.

import { make, setAttribute, setText } from "./dom.js";

// Rows and columns are names, each a text or an element. fill(cell) is given each place and says what stands there:
// { part, text, title }, the part from 0 to 1. To change cells is quicker than to make them.
export function makeHeat(caption, rows, columns) {
  const header = (scope, name) => make("th", { scope }, name);
  const cells = rows.map(() => columns.map(() => make("td")));
  const table = make("table", { class: "lk-heat" }, make("caption", {}, caption), make("tbody", {},
    make("tr", {}, make("td"), ...columns.map((name) => header("col", name))),
    ...rows.map((name, i) => make("tr", {}, header("row", name), ...cells[i]))));
  function fill(content) {
    cells.forEach((row, i) => row.forEach((cell, j) => {
      const { part, text = "", title } = content(i, j);
      setAttribute(cell, "style", `--part: ${part.toFixed(3)}`);
      cell.classList.toggle("lk-dark", part > 0.6);
      setText(cell, text);
      if (title) setAttribute(cell, "title", title);
    }));
  }
  return { element: table, cells, fill };
}
