// What every page of the course does by itself: colors, search, and boxes that scroll by keyboard.
"use strict";

window.course = { rows: null, root: document.documentElement.dataset.root };

// --- light and dark ---

(() => {
  const choice = document.getElementById("theme");
  const show = (name) => {
    document.documentElement.dataset.theme = name;
    choice.value = name;
  };
  try {
    show(localStorage.getItem("theme") ?? "");
  } catch {
    show(""); // a browser that keeps nothing for files
  }
  choice.addEventListener("change", () => {
    show(choice.value);
    try {
      localStorage.setItem("theme", choice.value);
    } catch {} // it holds for this page
  });
})();

// --- search ---

(() => {
  const MOST = 30;
  const field = document.getElementById("query");
  const box = document.getElementById("found");
  const [told, list] = [box.querySelector("[role=status]"), box.querySelector("ol")];

  const plain = (words) => words.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // The index is a script, for a page that is opened from a folder may read no other file.
  const load = () => {
    if (document.getElementById("index")) return;
    const script = document.createElement("script");
    script.id = "index";
    script.src = `${window.course.root}static/search.js`;
    document.head.append(script);
  };

  window.course.index = (rows) => {
    window.course.rows = rows.map(([link, page, heading, text]) => {
      return { link, page, heading, text, title: plain(`${page} ${heading}`), all: plain(text) };
    });
    search();
  };

  // Sections that have every word, those with a word in their heading first.
  const find = (words) => {
    const hits = [];
    for (const row of window.course.rows) {
      const inTitle = words.filter((word) => row.title.includes(word)).length;
      if (!words.every((word) => row.title.includes(word) || row.all.includes(word))) continue;
      hits.push({ row, inTitle });
    }
    return hits.sort((one, other) => other.inTitle - one.inTitle).map(({ row }) => row);
  };

  const snippet = (text, words) => {
    const line = document.createElement("p");
    const places = words.map((word) => plain(text).indexOf(word)).filter((place) => place >= 0);
    const begin = Math.max(0, Math.min(...places, Infinity) - 60);
    const piece = places.length ? text.slice(begin, begin + 180) : text.slice(0, 120);
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    for (const part of piece.split(new RegExp(`(${escaped.join("|")})`, "iu"))) {
      const isHit = words.includes(plain(part));
      const node = isHit ? document.createElement("mark") : document.createTextNode(part);
      if (isHit) node.textContent = part;
      line.append(node);
    }
    return line;
  };

  const search = () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    box.hidden = !words.length || !window.course.rows;
    if (box.hidden) return;
    const hits = find(words);
    const shown = hits.slice(0, MOST);
    const number = `${hits.length} ${hits.length === 1 ? "section" : "sections"}`;
    told.textContent = hits.length > MOST ? `${number}, the first ${MOST} of them:` : number;
    list.replaceChildren(
      ...shown.map((row) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = window.course.root + row.link;
        link.textContent = row.heading && row.heading !== row.page
          ? `${row.page}: ${row.heading}`
          : row.page;
        item.append(link, snippet(row.text, words));
        return item;
      }),
    );
  };

  field.addEventListener("focus", load);
  field.addEventListener("input", () => {
    load();
    search();
  });
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !box.hidden) {
      box.hidden = true;
      field.focus();
    }
  });
  document.addEventListener("click", (event) => {
    const inside = box.contains(event.target) || field.form.contains(event.target);
    if (!inside || event.target.closest("#found a")) box.hidden = true;
  });
})();

// --- what is wider than the page scrolls, also by keyboard ---

(() => {
  const boxes = document.querySelectorAll(".scroll, pre, math[display=block]");
  const look = () => {
    for (const box of boxes) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", look);
  addEventListener("resize", look);
})();

// On a wide page the list of sections stands open beside the text.
(() => {
  const inside = document.querySelector(".inside");
  const wide = matchMedia("(min-width: 88rem)");
  const fit = () => inside && (inside.open = wide.matches);
  fit();
  wide.addEventListener("change", fit);
})();
