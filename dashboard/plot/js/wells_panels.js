// The three linked pictures: energy with a gas over it, weight as bars, probability with the crowd below it.
const EDGE = { left: 50, right: 8, top: 12, bottom: 26 };
const TICKS = [-6, -4, -2, 0, 2, 4, 6];

function makePanel(plot, lim) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  plot.prepend(canvas);
  const panel = { canvas, plot, low: 0, high: 1, width: 0, height: 0, context: null, begin, x, y, placeAt, valueAt, axes, area, curve, dots };

  function begin(low, high) {
    panel.width = plot.clientWidth;
    panel.height = plot.clientHeight;
    panel.low = low;
    panel.high = high;
    panel.context = sized(canvas, panel.width, panel.height);
    panel.context.clearRect(0, 0, panel.width, panel.height);
  }

  function x(value) { return EDGE.left + ((value + lim.box) / (2 * lim.box)) * (panel.width - EDGE.left - EDGE.right); }
  function y(value) {
    return EDGE.top + ((panel.high - value) / (panel.high - panel.low)) * (panel.height - EDGE.top - EDGE.bottom);
  }
  function placeAt(px) { return -lim.box + ((px - EDGE.left) / (panel.width - EDGE.left - EDGE.right)) * 2 * lim.box; }
  function valueAt(py) {
    return panel.high - ((py - EDGE.top) / (panel.height - EDGE.top - EDGE.bottom)) * (panel.high - panel.low);
  }

  // Grid lines, words and walls; everything after it is clipped to the box.
  function axes(look, most = 4) {
    const c = panel.context, right = panel.width - EDGE.right, floor = panel.height - EDGE.bottom;
    c.font = `12.5px ${look.font}`;
    c.lineWidth = 1;
    c.textBaseline = "middle";
    for (const tick of ticks(panel.low, panel.high, most)) {
      const at = Math.round(y(tick)) + 0.5;
      c.strokeStyle = look.colours.hairline;
      c.beginPath();
      c.moveTo(EDGE.left, at);
      c.lineTo(right, at);
      c.stroke();
      c.fillStyle = look.colours.muted;
      c.textAlign = "right";
      c.fillText(short(tick), EDGE.left - 6, at);
    }
    c.textBaseline = "top";
    c.textAlign = "center";
    for (const tick of TICKS) c.fillText(number(tick), x(tick), floor + 8);
    c.strokeStyle = look.colours.rejected;
    for (const wall of [EDGE.left + 0.5, right - 0.5]) {
      c.beginPath();
      c.moveTo(wall, EDGE.top);
      c.lineTo(wall, floor);
      c.stroke();
    }
    c.save();
    c.beginPath();
    c.rect(EDGE.left, EDGE.top, right - EDGE.left, floor - EDGE.top + 0.5);
    c.clip();
  }

  function trace(xs, ys) {
    const c = panel.context, every = Math.max(1, Math.floor(xs.length / (2 * panel.width)));
    c.beginPath();
    for (let i = 0; i < xs.length; i += every) c[i ? "lineTo" : "moveTo"](x(xs[i]), y(ys[i]));
    c.lineTo(x(xs[xs.length - 1]), y(ys[xs.length - 1]));
  }

  function area(xs, ys, colour, opacity) {
    const c = panel.context;
    trace(xs, ys);
    c.lineTo(x(xs[xs.length - 1]), panel.height - EDGE.bottom);
    c.lineTo(x(xs[0]), panel.height - EDGE.bottom);
    c.fillStyle = alpha(colour, opacity);
    c.fill();
  }

  function curve(xs, ys, colour) {
    const c = panel.context;
    trace(xs, ys);
    c.strokeStyle = colour;
    c.lineWidth = 2.25;
    c.lineJoin = "round";
    c.stroke();
  }

  // Discs at (xs[i], height(i)).
  function dots(xs, height, look) {
    const c = panel.context, radius = panel.width < 300 ? 1.9 : 2.3;
    c.fillStyle = alpha(look.colours.model, look.colours.dark ? 0.75 : 0.7);
    c.beginPath();
    for (let i = 0; i < xs.length; i++) {
      const px = x(xs[i]), py = y(height(i));
      if (py < -radius) continue;
      c.moveTo(px + radius, py);
      c.arc(px, py, radius, 0, 2 * Math.PI);
    }
    c.fill();
  }

  return panel;
}

// A tick, in little room.
function short(value) {
  if (Math.abs(value) < 1e4) return number(+value.toPrecision(4));
  const power = Math.floor(Math.log10(value) + 1e-9);
  return `${+(value / 10 ** power).toPrecision(2)}·10${String(power).replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])}`;
}

function paintEnergy(panel, state, look) {
  const { solved, setting, crowd, lim } = state;
  panel.begin(...state.range);
  panel.axes(look);
  panel.area(solved.x, solved.energy, look.colours.energy, look.colours.dark ? 0.16 : 0.12);
  // −T ln u above the ground: a gas at temperature T over these hills, with E in the place of height.
  panel.dots(crowd.x, (i) => energyAt(crowd.x[i], setting.wells, lim) - setting.temperature * Math.log(Math.max(crowd.level[i], 1e-9)), look);
  panel.curve(solved.x, solved.energy, look.colours.energy);
  panel.context.restore();
}

function paintWeight(panel, state, look) {
  const { solved, bars } = state;
  panel.begin(0, solved.most * 1.08);
  panel.axes(look);
  const context = panel.context, floor = panel.y(0), wide = panel.x(bars.width) - panel.x(0);
  context.fillStyle = alpha(look.colours.muted, look.colours.dark ? 0.28 : 0.18);
  context.strokeStyle = look.colours.muted;
  context.lineWidth = 1;
  bars.heights.forEach((height, i) => {
    const left = EDGE.left + i * wide, top = panel.y(height);
    context.fillRect(left, top, wide, floor - top);
    context.strokeRect(left, top, wide, floor - top);
  });
  panel.curve(solved.x, solved.weight, look.colours.muted);
  context.restore();
}

function paintProbability(panel, state, look) {
  const { solved, crowd, setting, lim } = state, z = solved.partition;
  panel.begin(0, (solved.most / z) * 1.22);
  panel.axes(look);
  const p = solved.weight.map((w) => w / z);
  panel.area(solved.x, p, look.colours.truth, 0.07);
  panel.dots(crowd.x, (i) => (crowd.level[i] * Math.exp(-energyAt(crowd.x[i], setting.wells, lim) / setting.temperature)) / z, look);
  panel.curve(solved.x, p, look.colours.truth);
  const c = panel.context;
  c.restore();
  c.font = `600 14px ${look.font}`;
  c.textAlign = "center";
  c.textBaseline = "bottom";
  c.fillStyle = look.colours.ink;
  let last = -Infinity;
  solved.bottoms.forEach((bottom, i) => {
    if (solved.shares[i] < 0.005) return;
    const at = clamp(panel.x(bottom), EDGE.left + 18, panel.width - EDGE.right - 18);
    if (at - last < 44) return;
    last = at;
    const peak = Math.exp(-energyAt(bottom, setting.wells, lim) / setting.temperature) / z;
    c.fillText(share(solved.shares[i]), at, panel.y(peak) - 6);
  });
}

// "42 %"; an end that is not reached is not claimed.
function share(part) {
  const per = `${THIN}%`;
  if (part >= 0.995 && part < 1) return (part < 0.9995 ? (Math.floor(1000 * part) / 10).toFixed(1) : "> 99.9") + per;
  if (part > 0 && part < 0.005) return (part >= 0.0005 ? (100 * part).toFixed(1) : "< 0.1") + per;
  return percent(part);
}

// Five digits; a power of ten for what is large.
function digits(value, many = 5) {
  if (value >= 1e6) {
    const [front, power] = value.toExponential(many - 2).split("e+");
    return `${front} × 10${power.replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])}`;
  }
  const text = value >= 10 ** (many - 1) ? value.toFixed(0) : value.toPrecision(many);
  return number(+text, Math.max(0, (text.split(".")[1] || "").length));
}
