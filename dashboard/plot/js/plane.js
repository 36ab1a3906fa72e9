// The plane: energy in flat bands, particles with trails, marginals against the exact ones. Two canvases, the lower
// one redrawn only when the window, the theme or the run changes.
const BANDS = 14, BINS = 44;

function makePlane(box, stage) {
  const under = el("canvas", { "aria-hidden": "true" });
  const over = el("canvas", { class: "over", tabindex: 0, role: "img" });
  const tip = el("div", { class: "tip", hidden: true });
  const zooms = el("div", { class: "zooms" }, ...[["+", "Zoom in", 0.7], ["−", "Zoom out", 1 / 0.7], ["⌂", "Whole view", 0]]
    .map(([text, label, factor]) => el("button", { type: "button", text, "aria-label": label, title: label,
      onclick: () => zoomBy(factor) })));
  box.append(under, over, zooms, tip);
  let home = null, win = null, geometry = null, sprite = null, moved = false, solid = false;
  const surface = makeSurface(stage);

  const payload = () => stage.payload;

  function layout() {
    const width = box.clientWidth;
    if (!width) return null;
    const narrow = width < 440;
    const left = Math.max(34, labelled()), bottom = 28, top = (payload().kind === "plane" ? (narrow ? 52 : 72) : 0) + 8;
    const right = payload().kind === "plane" && !narrow ? 72 + 8 : 4;
    const side = Math.max(80, width - left - right);
    return { width, left, top, right, side, height: top + side + bottom, narrow };
  }

  // Room for the widest number on the upright axis.
  function labelled() {
    if (!win) return 0;
    const c = over.getContext("2d");
    c.font = `12.5px ${stage.font}`;
    return 10 + Math.max(0, ...ticks(win[2], win[3], 5).map((tick) => c.measureText(number(tick)).width));
  }

  const px = (x) => geometry.left + (geometry.side * (x - win[0])) / (win[1] - win[0]);
  const py = (y) => geometry.top + (geometry.side * (win[3] - y)) / (win[3] - win[2]);
  const place = (event) => {
    const [x, y] = pointerIn(event, over);
    const inside = x >= geometry.left && x <= geometry.left + geometry.side && y >= geometry.top
      && y <= geometry.top + geometry.side;
    return { inside, px: x, py: y, x: win[0] + ((x - geometry.left) / geometry.side) * (win[1] - win[0]),
      y: win[3] - ((y - geometry.top) / geometry.side) * (win[3] - win[2]) };
  };

  function load(now, fresh) {
    home = now.box;
    if (!win || !moved || fresh) { win = [...home]; moved = false; }
    if (stage.followed >= now.frames.q.shape[1]) stage.followed = -1;
    if (solid && !now.field) turnInto(stage.solid = false);
    box.classList.toggle("zoomed", moved);
    over.setAttribute("aria-label", now.alt);
    resize();
  }

  function resize() {
    geometry = layout();
    if (!geometry || !win) return;
    box.dataset.plane = [geometry.left, geometry.top, geometry.side].join();
    drawUnder();
    draw(stage.at);
  }

  // --- the lower canvas ---
  function drawUnder() {
    const c = sized(under, geometry.width, geometry.height), colours = stage.colours;
    if (solid) {
      surface.paint(c, geometry.width, geometry.height, payload(), win);
      box.dataset.camera = [surface.camera.yaw, surface.camera.pitch, surface.camera.zoom].map((v) => v.toFixed(3)).join();
      return;
    }
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
    const ratio = density();
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
  // The pixel of a place of the plane. (Outside the window it is clipped from above, and not there on the surface.)
  const spot = (x, y) => (solid ? surface.spot(x, y) : { px: px(x), py: py(y), hidden: false, away: 0 });

  function draw(at) {
    if (!geometry) return;
    const colours = stage.colours, c = sized(over, geometry.width, geometry.height), { top, left, side } = geometry;
    if (!sprite || sprite.colour !== colours.model) sprite = makeSprite(colours);
    c.clearRect(0, 0, geometry.width, geometry.height);
    const waiting = stage.pending && stage.pending.points;
    const now = waiting ? Float32Array.from(stage.pending.points.flat()) : placesAt(payload(), at, stage.share);
    c.save();
    if (!solid) {
      c.beginPath();
      c.rect(left, top, side, side);
      c.clip();
    }
    const one = !waiting && stage.followed >= 0; // the others stand back
    if (!waiting && !one) drawTrails(c, stage, now, spot);
    drawParticles(c, sprite, now, spot, solid, one);
    if (!waiting) {
      drawFollowed(c, stage, sprite, now, spot);
      const { taken, refused } = drawProposals(c, stage, now, spot, within(now), win);
      Object.assign(box.dataset, { proposals: taken + refused, refused });
    }
    c.restore();
    if (payload().kind === "plane" && !solid) margins(c, colours, now);
  }

  function within(places) {
    let count = 0;
    for (let i = 0; i < places.length; i += 2) {
      count += places[i] >= win[0] && places[i] <= win[1] && places[i + 1] >= win[2] && places[i + 1] <= win[3];
    }
    return count;
  }

  // Sampled as an area, exact as a line, along the top and (where there is room) the right.
  function margins(c, colours, now) {
    const { left, top, side, narrow } = geometry;
    const deep = (narrow ? 52 : 72) - 6, exact = payload().marginals, count = now.length / 2 || 1;
    for (const axis of narrow ? [0] : [0, 1]) {
      const [low, high] = axis ? [win[2], win[3]] : [win[0], win[1]];
      const bins = new Float32Array(BINS);
      for (let i = axis; i < now.length; i += 2) {
        const share = (now[i] - low) / (high - low);
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
    if (solid) { surface.zoom(factor); moved = true; return again(); }
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
    again();
  }

  let asked = false; // to draw both canvases anew, once a frame
  function again() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; drawUnder(); draw(stage.at); });
  }

  function turnInto(now) {
    solid = now && Boolean(payload().field);
    box.classList.toggle("solid", solid);
    tip.hidden = true;
    over.setAttribute("aria-label", `${payload().alt} ${solid ? "Arrow keys turn the surface." : ""}`);
    drawUnder();
    draw(stage.at);
  }

  // The particle nearest to a pixel, -1 where none is near.
  function nearest(at) {
    const places = placesAt(payload(), stage.at);
    let best = -1, least = 16;
    for (let i = 0; i < places.length; i += 2) {
      const one = spot(places[i], places[i + 1]), away = one && !one.hidden ? Math.hypot(one.px - at.px, one.py - at.py) : Infinity;
      if (away < least) { least = away; best = i / 2; }
    }
    return best;
  }

  function followed(i) {
    stage.followed = i;
    box.dataset.followed = i;
    stage.drawLegend();
    draw(stage.at);
  }

  let grip = null;
  const fingers = new Map();
  over.addEventListener("pointerdown", (event) => {
    const spot = place(event);
    if (!(spot.inside || solid) || event.button) return;
    fingers.set(event.pointerId, spot);
    grip = { ...spot, win: [...win], dragged: fingers.size > 1 };
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener("pointermove", (event) => {
    const spot = place(event);
    if (grip && Math.hypot(spot.px - grip.px, spot.py - grip.py) > 6) grip.dragged = true;
    if (solid) {
      if (grip) turned(event, spot);
      return;
    }
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
  // Two fingers zoom, one turns.
  function turned(event, spot) {
    const before = fingers.get(event.pointerId), others = [...fingers].filter(([id]) => id !== event.pointerId);
    if (!before || !grip.dragged) return;
    if (others.length) {
      const [[, other]] = others, apart = (p) => Math.hypot(p.px - other.px, p.py - other.py) || 1;
      surface.zoom(apart(before) / apart(spot));
    } else surface.turn((spot.px - before.px) * -0.008, (spot.py - before.py) * 0.008);
    fingers.set(event.pointerId, spot);
    again();
  }

  over.addEventListener("pointerup", (event) => {
    const was = grip, spot = place(event);
    fingers.delete(event.pointerId);
    grip = null;
    if (!was || was.dragged) return;
    if (stage.tool === "follow") return followed(nearest(spot));
    const on = solid ? surface.place(spot.px, spot.py) : spot;
    if (on && stage.payload.editable) stage.drop(on);
  });
  over.addEventListener("pointercancel", (event) => { grip = null; fingers.delete(event.pointerId); });
  over.addEventListener("pointerleave", () => { tip.hidden = true; });
  over.addEventListener("dblclick", () => moved && !solid && zoomBy(0));
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 0.85 : 1 / 0.85, place(event));
  }, { passive: false });
  const TURNS = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.08], ArrowDown: [0, 0.08] };
  over.addEventListener("keydown", (event) => {
    const count = payload().frames.q.shape[1];
    if (solid && TURNS[event.key]) { surface.turn(...TURNS[event.key]); again(); }
    else if (event.key === "n") followed((stage.followed + 1) % count);
    else if (event.key === "N") followed((stage.followed + count - 1) % count);
    else if (event.key === "Escape" && stage.followed >= 0) followed(-1);
    else if (event.key === "+" || event.key === "=") zoomBy(0.7);
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

  return { load, resize, draw, turnInto, glides: true, theme: () => { sprite = null; resize(); } };
}
