"use strict";
// What a reader has set outlives loading anew; where storage is forbidden, it does not.
const memory = {
  get(key) { try { return sessionStorage.getItem(location.pathname + key); } catch { return null; } },
  set(key, value) { try { sessionStorage.setItem(location.pathname + key, value); } catch { } },
};

// Reading a curve: with the pointer, or with the arrow keys when the chart has the focus.
for (const figure of document.querySelectorAll("figure")) {
  const svg = figure.querySelector("svg");
  const output = figure.querySelector("output");
  const places = [...figure.querySelectorAll(".place")];
  let at = places.length - 1;
  const show = (i) => {
    if (!places.length) return;
    places[at].classList.remove("on");
    at = Math.min(Math.max(i, 0), places.length - 1);
    places[at].classList.add("on");
    output.textContent = places[at].querySelector("title").textContent;
  };
  places.forEach((place, i) => place.addEventListener("pointerenter", () => show(i)));
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: places.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}

for (const details of document.querySelectorAll("details[id]")) {
  if (memory.get(details.id) === "open") details.open = true;
  details.addEventListener("toggle", () => memory.set(details.id, details.open ? "open" : ""));
}

// While the run goes on, the page loads itself anew, but not under a reader's hands.
if (document.body.dataset.state === "running") {
  const SECONDS = 20;
  const button = document.getElementById("pause");
  let paused = memory.get("paused") === "yes";
  const name = () => { button.textContent = paused ? "Refresh again" : "Pause refreshing"; };
  const busy = () => paused || document.hidden || !getSelection().isCollapsed
    || document.querySelector("svg:hover, svg:focus, button:focus-visible, summary:focus-visible");
  button.hidden = false;
  name();
  button.addEventListener("click", () => {
    paused = !paused;
    memory.set("paused", paused ? "yes" : "");
    name();
  });
  const scroll = Number(memory.get("scroll"));
  if (scroll) scrollTo(0, scroll);
  memory.set("scroll", "");
  setInterval(() => {
    if (busy()) return;
    memory.set("scroll", String(scrollY));
    location.reload();
  }, SECONDS * 1000);
}
