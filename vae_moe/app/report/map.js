"use strict";
// The maps of a page: points that tell their row. Each figure holds its data; nothing is fetched, nothing is made HTML.
const NEAR = 16; // pixels from a point within which it is meant

function add(parent, tag, text) {
  const made = parent.appendChild(document.createElement(tag));
  if (text !== undefined) made.textContent = text;
  return made;
}

function draw(figure, map) {
  const canvas = add(figure.querySelector(".map"), "canvas"), tip = add(canvas.parentNode, "div");
  const legend = figure.querySelector(".legend"), context = canvas.getContext("2d");
  const radius = map.x.length > 800 ? 2.6 : 3.6;
  let near = -1, only = -1, places = [];

  function paint() {
    const width = canvas.clientWidth, height = canvas.clientHeight, sharp = window.devicePixelRatio || 1;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    context.scale(sharp, sharp);
    places = map.x.map((x, i) => [12 + x * (width - 24), 12 + (1 - map.y[i]) * (height - 24)]);
    context.strokeStyle = getComputedStyle(canvas).color;
    context.lineWidth = 0.4;
    places.forEach(([x, y], i) => {
      context.globalAlpha = only < 0 || only === map.group[i] ? 0.85 : 0.1;
      context.fillStyle = map.colours[map.group[i] % map.colours.length];
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
      context.stroke();
    });
    if (near < 0) return;
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(...places[near], radius + 3, 0, 7);
    context.stroke();
  }

  function tell() {
    tip.hidden = near < 0;
    if (near < 0) return;
    tip.replaceChildren();
    add(tip, "b", map.rows[near]);
    add(tip, "div", `${map.kind} ${map.group[near]}, ${map.sure[near]} sure`);
    map.columns.forEach((name, c) => add(tip, "div", `${name}: ${map.cells[near][c]}`));
    const [x, y] = places[near], right = canvas.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(x + 12, right))}px`;
    tip.style.top = `${y > canvas.clientHeight / 2 ? y - tip.offsetHeight - 12 : y + 12}px`;
  }

  function look(event) {
    const box = canvas.getBoundingClientRect(), at = [event.clientX - box.left, event.clientY - box.top];
    const away = places.map(([x, y], i) =>
      only < 0 || only === map.group[i] ? Math.hypot(x - at[0], y - at[1]) : Infinity);
    const best = away.reduce((found, distance, i) => (distance < away[found] ? i : found), 0);
    near = away[best] < NEAR ? best : -1;
    paint();
    tell();
  }

  canvas.addEventListener("pointermove", look);
  canvas.addEventListener("pointerdown", look);
  canvas.addEventListener("pointerleave", () => { near = -1; paint(); tell(); });
  [...new Set(map.group)].sort((a, b) => a - b).forEach((group) => {
    const button = add(legend, "button");
    add(button, "i").style.background = map.colours[group % map.colours.length];
    add(button, "span", `${map.kind} ${group}`);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      only = only === group ? -1 : group;
      near = -1;
      legend.querySelectorAll("button").forEach((each) => each.setAttribute("aria-pressed", String(each === button && only >= 0)));
      paint();
      tell();
    });
  });
  tip.hidden = true;
  figure.classList.add("live");
  new ResizeObserver(paint).observe(canvas);
}

document.querySelectorAll("figure[data-map]").forEach((figure) => draw(figure, JSON.parse(figure.dataset.map)));
