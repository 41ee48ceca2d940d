"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const COLORS = 6, MAX_BITS = 10, MIN_SPAN = 0.05;
let selected = 0, coloring = "surprise";

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

const bytes = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
const HIDDEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u00a0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu;
const visible = (text) => text.replace(HIDDEN, (char) => (char === "\t" ? " " : "·"));
const named = (text) => (text === "" ? "(the end)" : visible(text).replace(/ /g, "␣").replace(/\n/g, "↵"));
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const percent = (value) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;

const ends = new Set(data.ends), unknown = new Set(data.unknown);
const gates = data.gates.map((gate) => ({ ...gate, values: bytes(gate.values) }));
const unitValues = new Map(Object.entries(data.unit_values).map(([name, values]) => [name, new Int8Array(bytes(values).buffer)]));
const allUnits = data.all_units === null ? null : new Int8Array(bytes(data.all_units).buffer);
const whyShares = bytes(data.why.shares);

function unitOf(name) {
  if (allUnits === null) return unitValues.get(name);
  const [layer, unit] = name.split(":").map(Number), count = data.texts.length;
  const start = ((layer - 1) * data.hidden + unit) * count;
  return allUnits.subarray(start, start + count);
}

/* The text */

function fill(container, from, to) {
  const spans = new Map();
  for (let index = from; index < to; index += 1) {
    const text = data.texts[index], isEnd = ends.has(index);
    if (text === "" && !isEnd) continue;
    const shown = isEnd ? "◆\n" : visible(text).replace(/\n/g, "↵\n");
    const span = make("span", { textContent: shown });
    if (isEnd) span.classList.add("mark");
    if (unknown.has(index)) { span.classList.add("unknown"); span.title = "unknown to the model"; }
    span.dataset.index = index;
    spans.set(index, span);
    container.append(span);
  }
  return spans;
}

const spans = fill(byId("text"), 0, data.texts.length);
const order = [...spans.keys()];

function tint(span, value) {
  span.classList.toggle("negative", value < 0);
  span.style.setProperty("--v", Math.min(Math.abs(value), 1).toFixed(3));
}

function describeColoring() {
  if (coloring === "surprise")
    return { value: (i) => data.bits[i] / MAX_BITS, low: "0 bits", high: `${MAX_BITS} bits or more`, from: "transparent",
      meaning: "How surprising each token is: the bits that its code would need. 1 bit is as likely as a coin toss." };
  const [kind, name] = coloring.split(" ");
  if (kind === "gate") {
    const gate = gates[Number(name)];
    const least = Math.min(...gate.values), span = Math.max(Math.max(...gate.values) - least, MIN_SPAN * 255);
    return { value: (i) => (gate.values[i] - least) / span, low: (least / 255).toFixed(2),
      high: ((least + span) / 255).toFixed(2), from: "transparent",
      meaning: `Layer ${gate.layer}, mean of the ${gate.label}. The colors span the values that occur.` };
  }
  const values = unitOf(name);
  return { value: (i) => values[i] / 127, low: "-1", high: "1", from: "var(--low)",
    meaning: `Unit ${name} after each token was read.` };
}

function color(name) {
  coloring = name;
  const { value, low, high, from, meaning } = describeColoring();
  for (const [index, span] of spans) tint(span, value(index));
  byId("meaning").textContent = meaning;
  const bar = make("i");
  bar.style.setProperty("--from", from);
  bar.style.setProperty("--to", "var(--high)");
  if (from !== "transparent") bar.style.background = "linear-gradient(to right, var(--low), transparent, var(--high))";
  byId("scale").replaceChildren(low, bar, high);
  byId("scale").setAttribute("aria-label", `Color scale from ${low} to ${high}`);
  const select = byId("color");
  if (![...select.options].some((option) => option.value === name))
    select.append(make("option", { value: name, textContent: name }));
  select.value = name;
  for (const button of document.querySelectorAll("button[data-unit]"))
    button.setAttribute("aria-pressed", String(coloring === `unit ${button.dataset.unit}`));
}

function select(index, scroll = true) {
  spans.get(selected)?.classList.remove("selected");
  selected = index;
  const span = spans.get(index), box = byId("text");
  span.classList.add("selected");
  if (scroll) {
    const inner = span.offsetTop;
    if (inner < box.scrollTop || inner + span.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = inner - box.clientHeight / 2;
  }
  const bits = data.bits[index], text = data.texts[index];
  const rarity = bits < 0.01 ? "certain" : `1 in ${Number((2 ** bits).toPrecision(2)).toLocaleString("en")}`;
  byId("detail-live").textContent =
    `Token ${index + 1} of ${data.texts.length}: ${ends.has(index) ? "the end" : named(text)}, ${bits.toFixed(1)} bits, ${rarity}` +
    (unknown.has(index) ? ", unknown to the model" : "");
  byId("likeliest").replaceChildren(...data.likeliest[index].map(([likely, probability]) => {
    const bar = make("b");
    bar.style.transform = `scaleX(${probability})`;
    const row = make("li", {}, make("code", { textContent: named(likely) }), bar, percent(probability));
    row.classList.toggle("is-it", likely === text);
    return row;
  }));
  byId("gates").replaceChildren(...gates.flatMap((gate) => [
    make("dt", { textContent: `${gate.name}, layer ${gate.layer}` }),
    make("dd", { textContent: (gate.values[index] / 255).toFixed(2) }),
  ]));
  showWhy();
}

function nearestInLine(step) {
  const here = spans.get(selected).getBoundingClientRect();
  let best = null, line = null;
  for (let place = order.indexOf(selected) + step; place >= 0 && place < order.length; place += step) {
    const box = spans.get(order[place]).getClientRects()[0];
    if (!box || Math.abs(box.top - here.top) < 4) continue;
    if (line === null) line = box.top;
    if (Math.abs(box.top - line) > 4) break;
    const distance = Math.abs(box.left - here.left);
    if (best === null || distance < best.distance) best = { distance, index: order[place] };
  }
  return best === null ? selected : best.index;
}

function moveSelection(event) {
  const place = order.indexOf(selected);
  const moves = {
    ArrowLeft: () => order[Math.max(place - 1, 0)],
    ArrowRight: () => order[Math.min(place + 1, order.length - 1)],
    ArrowUp: () => nearestInLine(-1),
    ArrowDown: () => nearestInLine(1),
    Home: () => order[0],
    End: () => order[order.length - 1],
  };
  const move = moves[event.key];
  if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  select(move());
}

/* Connectivity */

function showWhy() {
  const { first, count, lags } = data.why, row = selected - first, box = byId("why");
  box.replaceChildren();
  byId("why-words").textContent = "";
  if (row < 0 || row >= count) {
    byId("why-note").textContent =
      `Computed for the ${plural(count, "token")} from token ${first + 1} to ${first + count}: choose one of those.`;
    return;
  }
  const from = Math.max(selected - lags, 0);
  const share = (index) => whyShares[row * lags + (selected - 1 - index)] / 255;
  for (const [index, span] of fill(box, from, selected)) tint(span, share(index));
  const last = make("span", { textContent: named(data.texts[selected]) });
  last.classList.add("selected");
  box.append(last);
  byId("why-note").textContent =
    `The norm of the gradient of the logit of ${named(data.texts[selected])} with respect to each of the ${plural(selected - from, "token")} before it, as a share of the largest.`;
  const strongest = Array.from({ length: selected - from }, (_, k) => selected - 1 - k)
    .sort((a, b) => share(b) - share(a)).slice(0, 5);
  byId("why-words").textContent = strongest.length === 0 ? "It is the first token."
    : `Strongest: ${strongest.map((i) => `${named(data.texts[i])} ${plural(selected - i, "token")} back (${share(i).toFixed(2)})`).join(", ")}.`;
}

/* Tables and charts */

function table(id, header, rows) {
  byId(id).replaceChildren(
    make("thead", {}, make("tr", {}, ...header.map((text) => make("th", { scope: "col", textContent: text })))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))),
  );
}

function unitButton({ layer, unit, auc, is_high: isHigh }) {
  const name = `${layer}:${unit}`;
  const button = make("button", { type: "button", textContent: `${name}  ${auc.toFixed(3)} ${isHigh ? "high" : "low"}` });
  button.dataset.unit = name;
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => { color(`unit ${name}`); byId("text-heading").scrollIntoView({ block: "start" }); });
  return button;
}

function showUnits() {
  const labels = new Map();
  for (const score of data.units) labels.set(score.label, [...(labels.get(score.label) ?? []), score]);
  table("units", ["Label", "Unit (layer:number), AUC, its value there"], [...labels].map(([label, scores]) => {
    const cell = document.createDocumentFragment();
    cell.append(...scores.map(unitButton));
    return [visible(label), cell];
  }));
  const rare = data.rare.length ? `Too rare to measure in this text: ${data.rare.join(", ")}.` : "";
  byId("rare").textContent = labels.size ? rare : `The text is too short to compare units. ${rare}`;
}

function key(names) {
  return make("div", { className: "key" }, ...names.map((name, index) =>
    make("span", {}, make("i", { className: `k${index % COLORS}` }), name)));
}

function axis(svg, x, y, width, height) {
  svg.append(draw("rect", { class: "axis", x, y, width, height }));
}

function showSaturation() {
  const size = 250, left = 52, top = 10, box = byId("saturation");
  if (data.saturation.length === 0) { box.textContent = "The cell has no gates."; return; }
  for (let layer = 1; layer <= data.layers; layer += 1) {
    const of = data.saturation.filter((each) => each.layer === layer);
    const svg = draw("svg", { viewBox: `0 0 ${size + left + 14} ${size + 50}`, width: size + left + 14, role: "img",
      "aria-label": `Layer ${layer}: share of tokens at which the gate of each unit is open, and closed. ` +
        of.map((each) => `${each.gate}: on average open ${percent(mean(each.open))}, closed ${percent(mean(each.closed))}`).join("; ") });
    axis(svg, left, top, size, size);
    svg.append(draw("line", { class: "axis", x1: left, y1: top, x2: left + size, y2: top + size }));
    for (const share of [0, 0.5, 1]) {
      svg.append(draw("text", { x: left + share * size, y: top + size + 16, "text-anchor": "middle" }, `${share}`));
      svg.append(draw("text", { x: left - 6, y: top + (1 - share) * size + 4, "text-anchor": "end" }, `${share}`));
    }
    svg.append(draw("text", { x: left + size / 2, y: top + size + 34, "text-anchor": "middle" }, "share above 0.9"));
    svg.append(draw("text", { x: -(top + size / 2), y: 14, transform: "rotate(-90)", "text-anchor": "middle" }, "share below 0.1"));
    of.forEach((each, index) => each.open.forEach((open, unit) => {
      const dot = draw("circle", { class: `dot k${index % COLORS}`, cx: left + open * size, cy: top + (1 - each.closed[unit]) * size, r: 3.5 });
      dot.append(draw("title", {}, `unit ${layer}:${unit}, ${each.gate}: open ${percent(open)}, closed ${percent(each.closed[unit])}`));
      if (unitOf(`${layer}:${unit}`)) dot.addEventListener("click", () => color(`unit ${layer}:${unit}`));
      svg.append(dot);
    }));
    box.append(make("figure", {}, make("h3", { textContent: `Layer ${layer}` }), svg, key(of.map((each) => each.gate))));
  }
  table("saturation-table", ["Layer", "Gate", "Below 0.1", "Above 0.9"],
    data.saturation.map((each) => [`${each.layer}`, each.gate, percent(mean(each.closed)), percent(mean(each.open))]));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);

function showReach() {
  const curves = data.reach.filter((curve) => curve.median.length > 1), box = byId("reach");
  if (curves.length === 0) { box.textContent = "The text is too short."; return; }
  const height = 280, left = 52, top = 10, floor = -8, width = Math.min(620, box.clientWidth - left - 20);
  const lags = Math.max(...curves.map((curve) => curve.median.length));
  const logs = (values) => values.map((value) => Math.max(Math.log10(Math.max(value, 1e-300)), floor));
  const lowest = Math.floor(Math.min(...curves.flatMap((curve) => logs(curve.lower))));
  const highest = Math.ceil(Math.max(0, ...curves.flatMap((curve) => logs(curve.upper))));
  const x = (lag) => left + ((lag - 1) / Math.max(lags - 1, 1)) * width;
  const y = (log) => top + ((highest - log) / Math.max(highest - lowest, 1)) * height;
  const points = (values) => logs(values).map((log, index) => `${x(index + 1).toFixed(1)},${y(log).toFixed(1)}`);
  const svg = draw("svg", { viewBox: `0 0 ${width + left + 20} ${height + 50}`, width: width + left + 20, role: "img",
    "aria-label": "Share of a change of the state that is left. " + curves.map((curve) =>
      `${curve.name}: ${curve.median[0].toPrecision(2)} after 1 token, ${curve.median.at(-1).toPrecision(2)} after ${curve.median.length}`).join("; ") });
  axis(svg, left, top, width, height);
  const step = Math.max(Math.ceil((highest - lowest) / 5), 1);
  for (let log = highest; log >= lowest; log -= step) {
    svg.append(draw("line", { class: "axis", x1: left, x2: left + width, y1: y(log), y2: y(log) }));
    svg.append(draw("text", { x: left - 6, y: y(log) + 4, "text-anchor": "end" }, log === 0 ? "1" : `1e${log}`));
  }
  for (let tick = 0; tick <= 4; tick += 1) {
    const lag = Math.round(1 + (tick / 4) * (lags - 1));
    svg.append(draw("text", { x: x(lag), y: top + height + 16, "text-anchor": "middle" }, `${lag}`));
  }
  svg.append(draw("text", { x: left + width / 2, y: top + height + 34, "text-anchor": "middle" }, "tokens later"));
  curves.forEach((curve, index) => {
    const band = [...points(curve.upper), ...points(curve.lower).reverse()].join(" ");
    svg.append(draw("polygon", { class: `band k${index % COLORS}`, points: band }));
    svg.append(draw("polyline", { class: `line s${index % COLORS}`, points: points(curve.median).join(" ") }));
  });
  box.append(make("figure", {}, svg, key(curves.map((curve) => curve.name))));
  const shown = [1, 2, 5, 10, 20, 50, 100].filter((lag) => lag <= lags);
  table("reach-table", ["Layer", ...shown.map((lag) => `${lag}`)], curves.map((curve) =>
    [curve.name, ...shown.map((lag) => (curve.median[lag - 1] === undefined ? "-" : curve.median[lag - 1].toPrecision(2)))]));
}

/* Light and dark */

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";

function showTheme() {
  byId("theme").setAttribute("aria-pressed", String(isDark()));
}

function start() {
  document.title = `${data.model}: gru inspect`;
  byId("title").textContent = `How ${data.model} reads`;
  byId("about").textContent = `${data.cell}, ${plural(data.layers, "layer")} of ${plural(data.hidden, "unit")}; ` +
    `${plural(data.texts.length, "token")} of ${data.source}; ${data.bits_per_char.toFixed(2)} bits per character` +
    (data.unknown.length ? `; ${plural(data.unknown.length, "symbol")} unknown to the model, underlined` : "");
  const menu = byId("color");
  menu.append(make("option", { value: "surprise", textContent: "surprise" }));
  gates.forEach((gate, index) => menu.append(make("option", { value: `gate ${index}`, textContent: `${gate.name} gate, layer ${gate.layer}` })));
  menu.addEventListener("change", () => color(menu.value));
  byId("text").addEventListener("click", (event) => {
    const index = event.target.dataset?.index;
    if (index !== undefined) select(Number(index), false);
  });
  byId("text").addEventListener("keydown", moveSelection);
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  showTheme();
  showUnits();
  showSaturation();
  showReach();
  color(gates.length ? "gate 0" : "surprise");
  const middle = data.why.first + Math.floor(data.why.count / 2);
  select(order.find((index) => index >= middle) ?? order.at(-1));
}

start();
