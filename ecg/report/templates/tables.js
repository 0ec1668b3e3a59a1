// Sort a table by a click on a column's heading; filter rows and cards by words.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const cell_value = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim(), digits = text.replaceAll(",", "");
    return text === "" || text === "-" ? null : isNaN(digits) ? text : Number(digits);
  };
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const sorted = heading.getAttribute("aria-sort");
      const ascending = sorted === "descending" || (sorted === null && column === 0);
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [cell_value(row, column), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);  // undefined values come last
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return ascending ? order : -order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
for (const input of document.querySelectorAll("input[data-filters]")) {
  const box = document.getElementById(input.dataset.filters), items = box.querySelectorAll("tbody tr, .filtered");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) {
      const text = (item.dataset.words ?? item.textContent).toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
    for (const heading of box.querySelectorAll(".group")) {  // hidden if nothing under it is visible
      let next = heading.nextElementSibling;
      while (next?.hidden && next.matches(".filtered")) next = next.nextElementSibling;
      heading.hidden = !next?.matches(".filtered");
    }
  });
}
function mark_overflow() {
  for (const box of document.querySelectorAll(".scroll")) box.classList.toggle("overflows", box.scrollWidth > box.clientWidth + 1);
}
mark_overflow();
addEventListener("resize", mark_overflow);
