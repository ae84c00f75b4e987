"""The page's script: it sorts tables, says values under the pointer, and hides methods; nothing needs it.

Nothing is fetched or stored. Keys: a figure that has the focus is walked with the arrow keys, up and down
between methods, left and right along one; Escape leaves.
"""

SCRIPT = r"""
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const tip = document.getElementById("tip");

  // Tables: a press on a head sorts by it, numbers from high to low first; another press turns it round.
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const text = column === 0 || !all("tr", body).some(row => row.cells[column].dataset.value);
        const before = head.getAttribute("aria-sort");
        const way = before ? (before === "ascending" ? "descending" : "ascending")
                           : (text ? "ascending" : "descending");
        const sign = way === "ascending" ? 1 : -1;
        const number = cell => Number(cell.dataset.value ?? NaN);
        const key = row => text ? row.cells[column].textContent : number(row.cells[column]);
        const rows = all("tr", body).map(row => [key(row), row]);
        rows.sort(([a], [b]) => {
          if (text) return sign * a.localeCompare(b);
          if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
          return sign * (a - b);
        });
        body.append(...rows.map(([, row]) => row));
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", way);
      });
    });
  }

  // Figures: the point nearest to the pointer, or walked to with the keys, says its value.
  const show = (chart, point) => {
    all(".spot", chart).forEach(ring => ring.remove());
    if (!point) { tip.hidden = true; return; }
    const svg = chart.querySelector("svg");
    const ring = document.createElementNS(svg.namespaceURI, "circle");
    ring.setAttribute("class", "spot " + point.name);
    ring.setAttribute("cx", point.x);
    ring.setAttribute("cy", point.y);
    ring.setAttribute("r", 7);
    svg.append(ring);
    tip.textContent = point.tip;
    tip.hidden = false;
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    const left = box.left + point.x * scale + 14, top = box.top + point.y * scale - 12;
    tip.style.left = Math.max(8, Math.min(left, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(8, top - tip.offsetHeight) + "px";
  };
  for (const chart of all(".chart")) {
    const svg = chart.querySelector("svg");
    const lines = () => all(".series", chart).filter(group => !group.classList.contains("off")).map(group => {
      const tips = group.dataset.tips.split("\n");
      const name = [...group.classList].find(part => part.startsWith("m-"));
      return group.dataset.at.split(" ").map((pair, i) => {
        const [x, y] = pair.split(",").map(Number);
        return {x, y, tip: group.dataset.label + ": " + tips[i], name};
      });
    });
    chart.addEventListener("pointermove", event => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      let best = null, least = 40 * 40;
      for (const point of lines().flat()) {
        const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
        if (distance < least) { least = distance; best = point; }
      }
      show(chart, best);
    });
    chart.addEventListener("pointerleave", () => show(chart, null));
    chart.addEventListener("blur", () => show(chart, null));
    let line = 0, place = -1;
    chart.addEventListener("keydown", event => {
      const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
      if (event.key === "Escape") { show(chart, null); return; }
      const found = lines();
      if (!step || !found.length) return;
      event.preventDefault();
      line = (line + step[0] + found.length) % found.length;
      place = Math.max(0, Math.min(place + step[1], found[line].length - 1));
      show(chart, found[line][place]);
    });
  }

  // Legends: a press hides or shows a method in every figure.
  const turn = (name, on) => {
    all(`button.toggle[data-method="${name}"]`).forEach(button => button.setAttribute("aria-pressed", on));
    all(`.series.${name}`).forEach(group => group.classList.toggle("off", !on));
  };
  for (const button of all("button.toggle")) {
    const name = button.dataset.method;
    button.addEventListener("click", () => turn(name, button.getAttribute("aria-pressed") !== "true"));
    if ("minor" in button.dataset) turn(name, false);
  }

  // In print everything is open.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach(part => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach(part => { part.open = false; }));

  // A link into a folded part opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const folded = target && target.closest("details");
    if (folded) { folded.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
"""
