"use strict";
const items = JSON.parse(document.getElementById("items").textContent);
const list = document.getElementById("list");
const article = document.getElementById("task");
const count = document.getElementById("count");
const filters = document.getElementById("filters");
const KEYS = ["run", "verdict", "kind", "crate"];
const ALL = "";

const make = (name, text, kind) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};

for (const key of KEYS) {
  const select = filters.elements[key];
  select.add(new Option("all", ALL));
  const found = new Map();
  for (const item of items) found.set(item[key], (found.get(item[key]) || 0) + 1);
  const names = [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  for (const [name, n] of names) select.add(new Option(`${name} (${n})`, name));
  select.closest("label").hidden = names.length < 2;
}

const rows = items.map((item, i) => {
  const row = make("li");
  row.id = `task-${i}`;
  row.setAttribute("role", "option");
  row.append(make("b", item.verdict, item.good ? "good" : "bad"), make("span", item.path || item.id));
  row.addEventListener("click", () => { select(row); list.focus(); });
  return row;
});
const texts = items.map((item) =>
  [item.id, item.path, item.expected, item.given, ...item.diagnostics].join("\n").toLowerCase());
list.append(...rows);

let visible = rows;
let chosen = null;

function block(title, text, parts) {
  if (!text && !parts) return [];
  const pre = make("pre", parts ? undefined : text);
  if (parts) pre.append(...parts);
  return [make("h4", title), pre];
}

function select(row) {
  if (chosen) chosen.setAttribute("aria-selected", "false");
  chosen = row;
  article.replaceChildren();
  list.removeAttribute("aria-activedescendant");
  if (!row) return;
  row.setAttribute("aria-selected", "true");
  list.setAttribute("aria-activedescendant", row.id);
  // The list scrolls, never the page under the reader.
  const top = row.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  const below = top + row.offsetHeight - list.clientHeight;
  if (below > list.scrollTop) list.scrollTop = below;
  const item = items[rows.indexOf(row)];
  const title = make("h3", `${item.run}: `);
  title.append(make("span", item.verdict, item.good ? "good" : "bad"));
  article.append(title, make("p", [item.kind, item.path, item.id].filter(Boolean).join(", "), "summary"));
  if (item.before || item.after) {
    const mark = make("mark", item.given);
    const [heading, pre] = block("given, in its place", "", [item.before, mark, item.after]);
    article.append(heading, pre);
    pre.scrollTop = mark.offsetTop - pre.offsetTop - pre.clientHeight / 3;
  } else {
    article.append(...block("given", item.given));
  }
  article.append(...block("expected", item.expected));
  for (const said of item.diagnostics) article.append(...block("diagnostics", said));
  for (const [name, text] of item.notes) article.append(...block(name, text));
  for (const [name, text, verdict] of item.others) {
    article.append(...block(`${name}: ${verdict}`, text || " "));
  }
}

function filter() {
  const wanted = KEYS.map((key) => [key, filters.elements[key].value]);
  const text = filters.elements.text.value.toLowerCase();
  visible = [];
  rows.forEach((row, i) => {
    const fits = wanted.every(([key, value]) => value === ALL || items[i][key] === value)
      && texts[i].includes(text);
    row.hidden = !fits;
    row.style.display = fits ? "" : "none";
    if (fits) visible.push(row);
  });
  count.textContent = `${visible.length} of ${rows.length}`;
  if (!visible.includes(chosen)) select(visible[0] || null);
}

function move(to) {
  if (visible.length) select(visible[Math.min(Math.max(to, 0), visible.length - 1)]);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select");
  const at = visible.indexOf(chosen);
  if (event.key === "Escape") {
    filters.reset();
    filter();
    list.focus();
  } else if (event.key === "/" && !typing) {
    filters.elements.text.focus();
  } else if (event.key === "Enter" && event.target.matches("input")) {
    list.focus();
  } else if (typing) {
    return;
  } else if (event.key === "ArrowDown" && document.activeElement === list || event.key === "j") {
    move(at + 1);
  } else if (event.key === "ArrowUp" && document.activeElement === list || event.key === "k") {
    move(at - 1);
  } else if (event.key === "Home" && document.activeElement === list) {
    move(0);
  } else if (event.key === "End" && document.activeElement === list) {
    move(visible.length - 1);
  } else {
    return;
  }
  event.preventDefault();
});
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());
filter();
