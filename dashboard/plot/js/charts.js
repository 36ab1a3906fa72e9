// The live figures beside the stage, in SVG: drawn once a run, then only their cursor moves.
const PAD = { left: 44, right: 12, top: 8, bottom: 24 };

function makeCharts(box, stage) {
  let drawn = [];
  let specs = [];

  function load(payload) {
    specs = payload.charts.filter((spec) => spec.type !== "overlaps" || payload.patterns);
    box.replaceChildren();
    drawn = specs.map((spec) => {
      const panel = el("figure", { class: `chart ${spec.type}`, role: "group", "aria-label": spec.title },
        el("figcaption", {}, el("span", { text: spec.title }), spec.note ? el("span", { class: "note", text: spec.note }) : ""),
        el("div", { class: "plot" }));
      box.append(panel);
      const chart = { spec, panel, plot: panel.lastChild };
      if (spec.type !== "bars") follow(chart);
      return chart;
    });
    stage.labelled = specs.some((spec) => spec.type === "overlaps"); // so that cursors stand above one another
    box.parentElement.classList.toggle("alone", !specs.length);
    resize();
  }

  function resize() {
    for (const chart of drawn) {
      const width = chart.plot.clientWidth, height = chart.plot.clientHeight;
      if (!width || !height) continue;
      chart.plot.replaceChildren();
      const image = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      chart.plot.append(image);
      const make = chart.spec.type === "bars" ? bars : lines;
      const last = chart === drawn[drawn.length - 1]; // curves above one another share its axis
      chart.move = make(chart.spec, image, width, height, stage, last);
      chart.move(stage.at);
    }
  }

  // Hovering reads a trace at a moment; a click, or a drag, goes to it.
  function follow(chart) {
    let held = false;
    const moment = (event) => chart.move.nearest(pointerIn(event, chart.plot)[0]);
    const go = (event) => { stage.pause(); stage.show(moment(event)); };
    chart.plot.addEventListener("pointerdown", (event) => {
      if (event.button || !chart.move) return;
      held = true;
      chart.plot.setPointerCapture(event.pointerId);
      go(event);
    });
    chart.plot.addEventListener("pointermove", (event) => {
      if (!chart.move) return;
      if (held) go(event);
      chart.move.read(moment(event));
    });
    for (const end of ["pointerup", "pointercancel"]) chart.plot.addEventListener(end, () => { held = false; });
    chart.plot.addEventListener("pointerleave", () => { if (chart.move) chart.move.read(-1); });
  }

  return { load, resize, move: (at) => drawn.forEach((chart) => chart.move && chart.move(at)) };
}

// --- how full is each well ---
function bars(spec, image, width, height) {
  const count = spec.names.length;
  const left = Math.min(110, 14 + 7.2 * Math.max(...spec.names.map((name) => name.length)));
  const right = 84, bottom = 24, top = 2;
  const row = Math.min(50, (height - bottom - top) / count);
  const base = top + row * count;
  const [low, high] = rows(spec.range);
  const values = rows(spec.values);
  const most = Math.min(1, 1.05 * Math.max(...high, ...values[values.length - 1], 0.3));
  const x = (v) => left + (width - left - right) * clamp(v / most, 0, 1);
  for (const tick of ticks(0, most, 3)) {
    image.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: base }));
    image.append(svg("text", { class: "tick", x: x(tick), y: base + 18, "text-anchor": "middle" },
      tick ? percent(tick) : "0"));
  }
  const thick = Math.min(24, row * 0.5);
  const marks = spec.names.map((name, i) => {
    const middle = top + row * (i + 0.5);
    image.append(svg("text", { class: "label", x: left - 6, y: middle + 4.5, "text-anchor": "end" }, name));
    const bar = svg("rect", { class: "bar", x: left, y: middle - thick / 2, height: thick, width: 0 });
    const inside = svg("text", { class: "inside", y: middle + 4.5 });
    image.append(bar,
      svg("line", { class: "whisker", x1: x(low[i]), x2: x(high[i]), y1: middle, y2: middle }),
      svg("line", { class: "exact", x1: x(spec.exact[i]), x2: x(spec.exact[i]), y1: middle - thick * 0.7,
        y2: middle + thick * 0.7 }), inside,
      svg("text", { class: "label", x: width, y: middle + 4.5, "text-anchor": "end" },
        `exact ${percent(spec.exact[i])}`));
    return { bar, inside };
  });
  return (at) => marks.forEach(({ bar, inside }, i) => {
    const value = values[at] ? values[at][i] : 0;
    const end = x(value);
    bar.setAttribute("width", Math.max(0, end - left));
    const fits = end - left > 34;
    inside.setAttribute("class", fits ? "inside" : "inside beside");
    inside.setAttribute("x", fits ? left + 4 : Math.max(end, x(high[i])) + 5);
    inside.textContent = percent(value);
  });
}

// --- curves against the step ---
function lines(spec, image, width, height, stage, axis) {
  const steps = stage.payload.steps;
  const series = spec.type === "overlaps" ? overlaps(stage) : [{ values: column(spec, stage), role: spec.role }];
  const labelled = series.some((s) => s.label);
  const right = labelled || stage.labelled ? 84 : PAD.right, bottom = axis ? 38 : 10;
  let low = Infinity, high = -Infinity;
  const reach = (v) => { if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); } };
  series.forEach((s) => s.values.forEach(reach));
  (spec.band || []).forEach(reach);
  if (spec.exact !== undefined) reach(spec.exact);
  if (spec.zero) reach(0);
  if (spec.type === "overlaps") { reach(0); reach(1); }
  if (!Number.isFinite(low)) { low = 0; high = 1; }
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) { low -= 0.5; high += 0.5; }
  const room = (high - low) * 0.06;
  if (!spec.zero) low -= room;
  high += room;
  const first = steps[0], last = steps[steps.length - 1];
  const marks = ticks(low, high, height < 170 ? 3 : 4);
  const left = Math.max(PAD.left, 14 + 7 * Math.max(0, ...marks.map((tick) => number(tick).length))); // 2.0 × 10²⁹ is wide
  const x = (v) => left + (width - left - right) * (last > first ? (v - first) / (last - first) : 0);
  const y = (v) => height - bottom - (height - bottom - PAD.top) * ((v - low) / (high - low));
  for (const tick of marks) {
    image.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
    image.append(svg("text", { class: "tick", x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, number(tick)));
  }
  for (const tick of axis ? (last > first ? ticks(first, last, 4) : [first]) : []) {
    if (tick !== Math.round(tick)) continue;
    image.append(svg("text", { class: "tick", x: x(tick), y: height - bottom + 18, "text-anchor": "middle" },
      number(tick)));
  }
  if (axis) {
    image.append(svg("text", { class: "tick", x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" },
      stage.payload.unit));
  }
  if (spec.band) {
    image.append(svg("rect", { class: "band", x: left, width: width - left - right, y: y(spec.band[1]),
      height: Math.max(1, y(spec.band[0]) - y(spec.band[1])) }));
  }
  if (spec.exact !== undefined) {
    image.append(svg("line", { class: "truth", x1: left, x2: width - right, y1: y(spec.exact), y2: y(spec.exact) }));
  }
  const cursor = svg("line", { class: "cursor", y1: PAD.top, y2: height - bottom });
  image.append(cursor);
  const labels = spread(series.filter((s) => s.label), y, height - bottom);
  const dots = series.map((s) => {
    const colour = `var(--c-${s.role})`;
    image.append(svg("path", { class: "curve", d: path(s.values, steps, x, y, spec.step || s.step), stroke: colour,
      "stroke-dasharray": s.dash || "none", "stroke-width": s.dash ? 1.5 : 2.25 }));
    if (s.label) {
      image.append(svg("text", { class: "label", x: width - right + 8, y: labels.get(s) + 4, style: `fill: var(--c-${s.role === "rejected" ? "muted" : s.role})` }, s.label));
    }
    const dot = svg("circle", { class: "dot", r: s.dash ? 0 : 4.5, fill: colour });
    image.append(dot);
    return dot;
  });
  const ghost = svg("line", { class: "ghost", y1: PAD.top, y2: height - bottom, visibility: "hidden" });
  const words = svg("text", { class: "reading", y: PAD.top + 12, visibility: "hidden" });
  image.append(ghost, words);
  const move = (at) => {
    const place = x(steps[Math.min(at, steps.length - 1)]); // a shorter run may come while a longer one is at its end
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    series.forEach((s, i) => {
      const value = s.values[at];
      dots[i].setAttribute("visibility", Number.isFinite(value) ? "visible" : "hidden");
      if (Number.isFinite(value)) { dots[i].setAttribute("cx", place); dots[i].setAttribute("cy", y(value)); }
    });
  };
  move.nearest = (px) => {
    let best = 0;
    for (let i = 1; i < steps.length; i++) if (Math.abs(x(steps[i]) - px) < Math.abs(x(steps[best]) - px)) best = i;
    return best;
  };
  move.read = (at) => {
    const shown = at >= 0 ? "visible" : "hidden";
    for (const node of [ghost, words]) node.setAttribute("visibility", shown);
    if (at < 0) return;
    const place = x(steps[at]), beyond = place > width / 2, main = series.find((s) => !s.dash) || series[0];
    ghost.setAttribute("x1", place);
    ghost.setAttribute("x2", place);
    words.setAttribute("x", place + (beyond ? -6 : 6));
    words.setAttribute("text-anchor", beyond ? "end" : "start");
    words.textContent = `${number(+main.values[at].toPrecision(3))} at ${stage.payload.unit} ${number(steps[at])}`;
  };
  return move;
}

function column(spec, stage) {
  const values = spec.values;
  if (!values.shape || values.shape.length < 2) return values;
  const width = values.shape[1], chosen = Math.min(stage.selected, width - 1);
  return Float32Array.from({ length: values.shape[0] }, (_, i) => values[i * width + chosen]);
}

function overlaps(stage) {
  const { patterns, names, origin, frames, rows: r, cols: c } = stage.payload;
  const dim = r * c, width = patterns.shape[1], [count, shown, bytes] = frames.bits.shape;
  const chosen = Math.min(stage.selected, shown - 1);
  const own = origin ? origin[chosen] : -1;
  const dashes = ["2 3", "7 5", "7 4 2 4", "12 4", "1 4", "4 4"];
  return names.map((name, p) => ({
    label: name, role: p === own ? "data" : "rejected", dash: p === own ? null : dashes[p % dashes.length], step: true,
    values: Float32Array.from({ length: count }, (_, f) => {
      let same = 0;
      for (let i = 0; i < dim; i++) same += bit(frames.bits, bytes, f * shown + chosen, i) === bit(patterns, width, p, i);
      return (2 * same) / dim - 1;
    }),
  }));
}

function path(values, steps, x, y, step) {
  let d = "", pen = "M";
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) { pen = "M"; continue; }
    const place = x(steps[i]).toFixed(1);
    if (step && pen === "L") d += `H${place}`;
    d += `${pen}${place},${y(values[i]).toFixed(1)}`;
    pen = "L";
  }
  return d;
}

// Where the end labels stand so that none covers another.
function spread(series, y, floor) {
  const at = new Map(series.map((s) => [s, y(s.values[s.values.length - 1])]));
  const order = [...series].sort((a, b) => at.get(a) - at.get(b));
  order.forEach((s, i) => { if (i) at.set(s, Math.max(at.get(s), at.get(order[i - 1]) + 17)); });
  const over = order.length ? at.get(order[order.length - 1]) - floor : 0;
  if (over > 0) order.forEach((s) => at.set(s, at.get(s) - over));
  return at;
}
