// The plane: energy in flat bands, particles with trails, marginals against the exact ones. Two canvases, the lower
// one redrawn only when the window, the theme or the run changes.
const BANDS = 14, TRAIL = 9, TRAILED = 75, BINS = 44;

function makePlane(box, stage) {
  const under = el("canvas", { "aria-hidden": "true" });
  const over = el("canvas", { class: "over", tabindex: 0, role: "img" });
  const tip = el("div", { class: "tip", hidden: true });
  const zooms = el("div", { class: "zooms" }, ...[["+", "Zoom in", 0.7], ["−", "Zoom out", 1 / 0.7], ["⌂", "Whole view", 0]]
    .map(([text, label, factor]) => el("button", { type: "button", text, "aria-label": label, title: label,
      onclick: () => zoomBy(factor) })));
  box.append(under, over, zooms, tip);
  let home = null, win = null, geometry = null, sprite = null, moved = false;

  const payload = () => stage.payload;

  function layout() {
    const width = box.clientWidth;
    if (!width) return null;
    const narrow = width < 440;
    const left = 34, bottom = 28, top = (payload().kind === "plane" ? (narrow ? 52 : 72) : 0) + 8;
    const right = payload().kind === "plane" && !narrow ? 72 + 8 : 4;
    const side = Math.max(80, width - left - right);
    return { width, left, top, right, side, height: top + side + bottom, narrow };
  }

  const px = (x) => geometry.left + (geometry.side * (x - win[0])) / (win[1] - win[0]);
  const py = (y) => geometry.top + (geometry.side * (win[3] - y)) / (win[3] - win[2]);
  const place = (event) => {
    const area = over.getBoundingClientRect();
    const x = event.clientX - area.left, y = event.clientY - area.top;
    const inside = x >= geometry.left && x <= geometry.left + geometry.side && y >= geometry.top
      && y <= geometry.top + geometry.side;
    return { inside, px: x, py: y, x: win[0] + ((x - geometry.left) / geometry.side) * (win[1] - win[0]),
      y: win[3] - ((y - geometry.top) / geometry.side) * (win[3] - win[2]) };
  };

  function load(now, fresh) {
    home = now.box;
    if (!win || !moved || fresh) { win = [...home]; moved = false; }
    box.classList.toggle("zoomed", moved);
    over.setAttribute("aria-label", now.alt);
    resize();
  }

  function resize() {
    geometry = layout();
    if (!geometry || !win) return;
    drawUnder();
    draw(stage.at);
  }

  // --- the lower canvas ---
  function drawUnder() {
    const c = sized(under, geometry.width, geometry.height), colours = stage.colours;
    c.clearRect(0, 0, geometry.width, geometry.height);
    if (payload().field) contour(c, colours);
    else {
      c.strokeStyle = colours.hairline;
      c.strokeRect(geometry.left + 0.5, geometry.top + 0.5, geometry.side - 1, geometry.side - 1);
    }
    if (payload().behind) drawBehind(c, colours);
    c.font = `12.5px ${stage.font}`;
    c.fillStyle = colours.muted;
    c.textAlign = "center";
    for (const tick of ticks(win[0], win[1], 5)) c.fillText(number(tick), px(tick), geometry.top + geometry.side + 18);
    c.textAlign = "right";
    for (const tick of ticks(win[2], win[3], 5)) {
      c.fillText(number(tick), geometry.left - 6, clamp(py(tick) + 4, geometry.top + 9, geometry.top + geometry.side));
    }
  }

  function drawBehind(c, colours) {
    c.save();
    c.beginPath();
    c.rect(geometry.left, geometry.top, geometry.side, geometry.side);
    c.clip();
    c.fillStyle = colours.data;
    c.strokeStyle = colours.halo;
    c.lineWidth = 0.75;
    for (const [x, y] of rows(payload().behind)) {
      c.beginPath();
      c.arc(px(x), py(y), 2.5, 0, 7);
      c.fill();
      c.stroke();
    }
    c.restore();
  }

  function contour(c, colours) {
    const { z, x: fx, y: fy } = payload().field;
    const [ny, nx] = z.shape;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const size = Math.round(geometry.side * ratio);
    const image = c.createImageData(size, size);
    const colour = bands(colours.energyScale, BANDS);
    const level = new Int8Array(size * size);
    // The share of the grid's steps at each column, once; then one interpolation a pixel.
    const column = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const x = win[0] + ((i + 0.5) / size) * (win[1] - win[0]);
      column[i] = clamp(((x - fx[0]) / (fx[1] - fx[0])) * (nx - 1), 0, nx - 1.001);
    }
    for (let j = 0; j < size; j++) {
      const y = win[3] - ((j + 0.5) / size) * (win[3] - win[2]);
      const row = clamp(((y - fy[0]) / (fy[1] - fy[0])) * (ny - 1), 0, ny - 1.001);
      const r = row | 0, b = row - r, upper = r * nx, lower = upper + nx;
      for (let i = 0; i < size; i++) {
        const k = column[i] | 0, a = column[i] - k;
        const value = (z[upper + k] * (1 - a) + z[upper + k + 1] * a) * (1 - b)
          + (z[lower + k] * (1 - a) + z[lower + k + 1] * a) * b;
        level[j * size + i] = Math.min(BANDS - 1, ((value + 32768) / 65536) * BANDS);
      }
    }
    const pixels = image.data;
    for (let i = 0; i < level.length; i++) {
      const edge = (i + 1) % size && level[i] !== level[i + 1] || (i + size < level.length && level[i] !== level[i + size]);
      const rgb = colour[level[i]], mix = edge ? (ratio > 1 ? 0.2 : 0.16) : 0;
      pixels[4 * i] = rgb[0] + (255 - rgb[0]) * mix;
      pixels[4 * i + 1] = rgb[1] + (255 - rgb[1]) * mix;
      pixels[4 * i + 2] = rgb[2] + (255 - rgb[2]) * mix;
      pixels[4 * i + 3] = 255;
    }
    c.putImageData(image, Math.round(geometry.left * ratio), Math.round(geometry.top * ratio));
  }

  // --- the upper canvas ---
  function makeSprite(colours) {
    const canvas = document.createElement("canvas");
    const c = sized(canvas, 12, 12);
    c.beginPath(); c.arc(6, 6, 4.25, 0, 7); c.fillStyle = colours.halo; c.fill();
    c.beginPath(); c.arc(6, 6, 3.25, 0, 7); c.fillStyle = colours.model; c.fill();
    return { canvas, colour: colours.model };
  }

  // The positions of frame `at` in pixels (x, y, x, y, ...).
  function positions(at) {
    const { q, low, high } = payload().frames;
    const count = q.shape[1], out = new Float32Array(2 * count), from = 2 * count * at;
    const ax = (high[0] - low[0]) / 65535, ay = (high[1] - low[1]) / 65535;
    for (let i = 0; i < count; i++) {
      out[2 * i] = px(low[0] + (q[from + 2 * i] + 32768) * ax);
      out[2 * i + 1] = py(low[1] + (q[from + 2 * i + 1] + 32768) * ay);
    }
    return out;
  }

  function draw(at) {
    if (!geometry) return;
    const colours = stage.colours, c = sized(over, geometry.width, geometry.height);
    if (!sprite || sprite.colour !== colours.model) sprite = makeSprite(colours);
    c.clearRect(0, 0, geometry.width, geometry.height);
    const waiting = stage.pending && stage.pending.points;
    const now = waiting ? Float32Array.from(stage.pending.points.flatMap(([x, y]) => [px(x), py(y)])) : positions(at);
    c.save();
    c.beginPath();
    c.rect(geometry.left, geometry.top, geometry.side, geometry.side);
    c.clip();
    if (!waiting) trails(c, colours, at);
    for (let i = 0; i < now.length; i += 2) c.drawImage(sprite.canvas, now[i] - 6, now[i + 1] - 6, 12, 12);
    c.restore();
    if (payload().kind === "plane") margins(c, colours, now);
  }

  function trails(c, colours, at) {
    const first = Math.max(0, at - TRAIL);
    if (first === at) return;
    const past = [];
    for (let f = first; f <= at; f++) past.push(positions(f));
    const count = Math.min(TRAILED, past[0].length / 2);
    c.strokeStyle = colours.model;
    c.lineWidth = 1;
    for (let k = 1; k < past.length; k++) {
      c.globalAlpha = 0.25 + 0.45 * (k / TRAIL);
      c.beginPath();
      for (let i = 0; i < 2 * count; i += 2) {
        c.moveTo(past[k - 1][i], past[k - 1][i + 1]);
        c.lineTo(past[k][i], past[k][i + 1]);
      }
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  // Sampled as an area, exact as a line, along the top and (where there is room) the right.
  function margins(c, colours, now) {
    const { left, top, side, narrow } = geometry;
    const deep = (narrow ? 52 : 72) - 6, exact = payload().marginals, count = now.length / 2 || 1;
    for (const axis of narrow ? [0] : [0, 1]) {
      const [low, high] = axis ? [win[2], win[3]] : [win[0], win[1]];
      const bins = new Float32Array(BINS);
      for (let i = axis; i < now.length; i += 2) {
        const share = axis ? (top + side - now[i]) / side : (now[i] - left) / side;
        if (share >= 0 && share < 1) bins[(share * BINS) | 0] += 1;
      }
      const width = (high - low) / BINS;
      const density = bins.map((n) => n / (count * width));
      const grid = exact ? (axis ? exact.y : exact.x) : [], p = exact ? (axis ? exact.py : exact.px) : [];
      let most = exact ? 1.45 * Math.max(...p) : Math.max(...density, 1e-9);
      if (!exact) most *= 1.05;
      const at = (share, value) => {
        const height = deep * Math.min(1, value / most);
        return axis ? [left + side + 8 + height, top + side * (1 - share)] : [left + side * share, top - 8 - height];
      };
      c.beginPath();
      c.moveTo(...at(0, 0));
      for (let k = 0; k < BINS; k++) { c.lineTo(...at(k / BINS, density[k])); c.lineTo(...at((k + 1) / BINS, density[k])); }
      c.lineTo(...at(1, 0));
      c.fillStyle = alpha(colours.model, colours.dark ? 0.28 : 0.22);
      c.fill();
      if (!exact) continue;
      c.beginPath();
      let pen = false;
      for (let k = 0; k < grid.length; k++) {
        const share = (grid[k] - low) / (high - low);
        if (share < 0 || share > 1) continue;
        const spot = at(share, p[k]);
        if (pen) c.lineTo(...spot); else c.moveTo(...spot);
        pen = true;
      }
      c.strokeStyle = colours.truth;
      c.lineWidth = 1.75;
      c.stroke();
    }
  }

  // --- zoom, pan, drop, hover ---
  function zoomBy(factor, about) {
    if (!factor) { win = [...home]; moved = false; }
    else {
      const x = about ? about.x : (win[0] + win[1]) / 2, y = about ? about.y : (win[2] + win[3]) / 2;
      const span = (win[1] - win[0]) * factor, whole = home[1] - home[0];
      if (span > 3 * whole || span < whole / 60) return;
      win = [x + (win[0] - x) * factor, x + (win[1] - x) * factor, y + (win[2] - y) * factor, y + (win[3] - y) * factor];
      moved = true;
    }
    box.classList.toggle("zoomed", moved);
    box.dataset.window = win.map((v) => v.toFixed(4)).join();
    drawUnder();
    draw(stage.at);
  }

  let grip = null;
  over.addEventListener("pointerdown", (event) => {
    const spot = place(event);
    if (!spot.inside || event.button) return;
    grip = { ...spot, win: [...win], dragged: false };
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener("pointermove", (event) => {
    const spot = place(event);
    if (grip && Math.hypot(spot.px - grip.px, spot.py - grip.py) > 6) grip.dragged = true;
    if (grip && grip.dragged && event.pointerType !== "touch") {
      const dx = ((spot.px - grip.px) / geometry.side) * (grip.win[1] - grip.win[0]);
      const dy = ((spot.py - grip.py) / geometry.side) * (grip.win[3] - grip.win[2]);
      win = [grip.win[0] - dx, grip.win[1] - dx, grip.win[2] + dy, grip.win[3] + dy];
      moved = true;
      zoomBy(1);
      return;
    }
    hover(spot);
  });
  over.addEventListener("pointerup", (event) => {
    const was = grip;
    grip = null;
    if (was && !was.dragged && stage.payload.editable) stage.drop(place(event));
  });
  over.addEventListener("pointercancel", () => { grip = null; });
  over.addEventListener("pointerleave", () => { tip.hidden = true; });
  over.addEventListener("dblclick", () => moved && zoomBy(0));
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 0.85 : 1 / 0.85, place(event));
  }, { passive: false });
  over.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") zoomBy(0.7);
    else if (event.key === "-") zoomBy(1 / 0.7);
    else if (event.key === "0") zoomBy(0);
    else if (event.key === "Enter" && stage.payload.editable) {
      stage.drop({ x: (win[0] + win[1]) / 2, y: (win[2] + win[3]) / 2 });
    } else return;
    event.preventDefault();
  });

  function hover(spot) {
    const field = payload().field;
    tip.hidden = !spot.inside;
    if (!spot.inside) return;
    const where = `at ${number(spot.x, 2)}, ${number(spot.y, 2)}`;
    let text = where;
    if (field) {
      const [ny, nx] = field.z.shape;
      const k = Math.round(((spot.x - field.x[0]) / (field.x[1] - field.x[0])) * (nx - 1));
      const r = Math.round(((spot.y - field.y[0]) / (field.y[1] - field.y[0])) * (ny - 1));
      const z = field.z[clamp(r, 0, ny - 1) * nx + clamp(k, 0, nx - 1)];
      const value = field.low + ((z + 32768) / 65535) * (field.high - field.low);
      text = `E ${z >= 32767 ? "≥" : "="} ${number(value, 2)} ${where}`;
    }
    tip.textContent = text;
    const beyond = spot.px > geometry.left + geometry.side - 150;
    tip.style.transform = `translate(${spot.px + (beyond ? -12 : 12)}px, ${spot.py + 14}px)` + (beyond ? " translateX(-100%)" : "");
  }

  return { load, resize, draw, theme: () => { sprite = null; resize(); } };
}
