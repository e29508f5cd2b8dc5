"use strict";
(() => {
  const table = document.getElementById("certificates");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  if ((navigator.language || "").toLowerCase().startsWith("fr")) {
    document.documentElement.lang = "fr";
    for (const part of document.querySelectorAll("[data-fr]")) part.textContent = part.dataset.fr;
    for (const part of document.querySelectorAll("[data-fr-placeholder]"))
      part.placeholder = part.dataset.frPlaceholder;
  }
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const key = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
    return isFinite(a) && isFinite(b) ? a - b : order.compare(a, b);
  };
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map(row => [key(row, column), row]);
    keyed.sort(([a], [b]) => compare(a, b) * (down && a !== "" && b !== "" ? -1 : 1));
    body.append(...keyed.map(([, row]) => row));
  }));
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
      count += !row.hidden;
    }
    shown.textContent = `${count} / ${rows.length}`;
  };
  filter.addEventListener("input", apply);
  apply();
})();
