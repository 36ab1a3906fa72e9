// Small helpers of everything that draws.
const THIN = "\u202f";
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Pixels of the screen to one of ours: dense screens have more, and so has a wide window, where all is larger (head.py).
function density() {
  const scale = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--scale")) || 1;
  return Math.min(2, scale * (window.devicePixelRatio || 1));
}

// Where an event happened, in the pixels that this node is drawn in.
function pointerIn(event, node) {
  const area = node.getBoundingClientRect(), scale = node.offsetWidth ? area.width / node.offsetWidth : 1;
  return [(event.clientX - area.left) / scale, (event.clientY - area.top) / scale];
}

// A canvas sized in CSS pixels, sharp on dense screens.
function sized(canvas, width, height) {
  const ratio = density();
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// About `most` round numbers from low to high.
function ticks(low, high, most = 5) {
  if (!(high > low)) return [low];
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
  return found;
}

function number(value, digits) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) {
    const power = Math.floor(Math.log10(size));
    const superscript = String(power).replace(/[-\d]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
    return `${(value / 10 ** power).toFixed(1).replace("-", "−")} × 10${superscript}`;
  }
  let text = digits === undefined ? String(+value.toPrecision(6)) : value.toFixed(digits);
  if (size >= 1e4) {
    const [whole, part] = text.split(".");
    text = whole.replace(/\B(?=(\d{3})+$)/g, THIN) + (part ? "." + part : "");
  }
  return text.replace("-", "−").replace(/^−(0(?:\.0*)?)$/, "$1");
}

const percent = (x) => `${Math.round(100 * x)}${THIN}%`;

// Colours of `count` flat bands along a scale of evenly spaced stops, as [r, g, b].
function bands(stops, count) {
  const rgb = stops.map(channels);
  return Array.from({ length: count }, (_, i) => {
    const at = (i / Math.max(1, count - 1)) * (rgb.length - 1);
    const k = Math.min(rgb.length - 2, Math.floor(at));
    return rgb[k].map((c, j) => Math.round(c + (rgb[k + 1][j] - c) * (at - k)));
  });
}

// Bit `i` of row `row` of packed rows of `width` bytes.
const bit = (bytes, width, row, i) => (bytes[row * width + (i >> 3)] >> (7 - (i & 7))) & 1;

// The cells from one to another on a straight line: a quick pointer reports only some of those that it crosses.
function crossed(from, to, cols) {
  const [r, k] = [Math.floor(from / cols), from % cols], [down, right] = [Math.floor(to / cols) - r, (to % cols) - k];
  const n = Math.max(Math.abs(down), Math.abs(right));
  return Array.from({ length: n + 1 }, (_, i) =>
    (r + Math.round((i * down) / (n || 1))) * cols + k + Math.round((i * right) / (n || 1)));
}
