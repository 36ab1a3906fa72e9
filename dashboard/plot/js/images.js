// States that are pictures: all of them side by side, or one of them to draw on.
function makeImages(box, stage) {
  const canvas = el("canvas", { class: "over", tabindex: 0, role: "img" });
  box.append(canvas);
  let size = 0, grip = null;
  const wiped = {}; // what stood in cells that were erased
  const payload = () => stage.payload;
  const dim = () => payload().rows * payload().cols;
  const alone = () => payload().shown === 1 || stage.tool !== "look" || Boolean(stage.pending);
  const tiles = () => Math.ceil(Math.sqrt(payload().shown));

  function grey(at, chosen) {
    const { grey: all } = payload().frames, from = (at * payload().shown + chosen) * dim();
    return all.subarray(from, from + dim());
  }

  function state(at) {
    if (stage.pending && stage.pending.state) return stage.pending.state;
    const { low, high } = payload();
    return Float32Array.from(grey(at, Math.min(stage.selected, payload().shown - 1)), (v) => low + (v / 255) * (high - low));
  }

  function load(now) {
    canvas.setAttribute("aria-label", now.alt);
    resize();
  }

  function resize() {
    const width = box.clientWidth;
    if (!width) return;
    size = Math.min(width, 480);
    draw(stage.at);
  }

  const small = document.createElement("canvas");
  // Dark to light, as digits are written: paper in either theme's ink.
  function stamp(c, values, x, y, width, height) {
    const { rows: r, cols: k } = payload();
    small.width = k;
    small.height = r;
    const s = small.getContext("2d"), image = s.createImageData(k, r);
    const paper = channels(stage.colours.off), ink = channels(stage.colours.ink);
    for (let i = 0; i < r * k; i++) {
      const share = values[i] / 255;
      for (let j = 0; j < 3; j++) image.data[4 * i + j] = paper[j] + (ink[j] - paper[j]) * share;
      image.data[4 * i + 3] = 255;
    }
    s.putImageData(image, 0, 0);
    c.imageSmoothingEnabled = false;
    c.drawImage(small, x, y, width, height);
  }

  const toGrey = (values) => {
    const { low, high } = payload();
    return values.map((v) => clamp(((v - low) / (high - low || 1)) * 255, 0, 255));
  };

  // Whether a picture is as it was because its last proposal was refused.
  function refused(at, i) {
    const { proposed } = payload();
    return Boolean(proposed) && !stage.pending && proposed.answer[at * proposed.answer.shape[1] + i] === 1;
  }

  function draw(at) {
    if (!size) return;
    const c = sized(canvas, size, size), now = payload();
    c.clearRect(0, 0, size, size);
    if (alone()) {
      const cell = size / Math.max(now.rows, now.cols);
      stamp(c, toGrey(Array.from(state(at))), 0, 0, cell * now.cols, cell * now.rows);
      hatch(c, cell);
      return;
    }
    const n = tiles(), tile = size / n, gap = n > 1 ? 4 : 0;
    const scale = (tile - gap) / Math.max(now.rows, now.cols);
    for (let i = 0; i < now.shown; i++) {
      const x = (i % n) * tile, y = Math.floor(i / n) * tile;
      stamp(c, grey(at, i), x + gap / 2, y + gap / 2, scale * now.cols, scale * now.rows);
      if (refused(at, i)) {
        c.strokeStyle = stage.colours.rejected;
        c.lineWidth = 2;
        c.setLineDash([4, 3]);
        c.strokeRect(x + gap / 2, y + gap / 2, scale * now.cols, scale * now.rows);
        c.setLineDash([]);
      }
      if (i === stage.selected) {
        c.strokeStyle = stage.colours.accent;
        c.lineWidth = 2;
        c.strokeRect(x + gap / 2, y + gap / 2, scale * now.cols, scale * now.rows);
      }
    }
  }

  function hatch(c, cell) {
    const free = stage.freeMask();
    if (!free) return;
    c.strokeStyle = stage.colours.muted;
    c.lineWidth = 1;
    for (let i = 0; i < dim(); i++) {
      if (!free[i]) continue;
      const x = (i % payload().cols) * cell, y = Math.floor(i / payload().cols) * cell;
      c.beginPath();
      c.moveTo(x + 2, y + cell - 2);
      c.lineTo(x + cell - 2, y + 2);
      c.stroke();
    }
  }

  // Paints the pixels from the last one that was painted in this drag to the one under the pointer.
  function paint(event) {
    const [x, y] = pointerIn(event, canvas), now = payload();
    const cell = size / Math.max(now.rows, now.cols);
    const k = Math.floor(x / cell), r = Math.floor(y / cell);
    if (k < 0 || r < 0 || k >= now.cols || r >= now.rows) return;
    const i = r * now.cols + k, erase = stage.tool === "erase", free = stage.freeMask();
    const cells = Array.from(state(stage.base()));
    const layer = erase ? (free ? [...free] : new Array(dim()).fill(0)) : cells;
    grip.value ??= erase ? (free && free[i] ? 0 : 1) : layer[i] > (now.low + now.high) / 2 ? now.low : now.high;
    const path = crossed(grip.last ?? i, i, now.cols).filter((j) => layer[j] !== grip.value);
    grip.last = i;
    if (!path.length) return;
    for (const j of path) {
      layer[j] = grip.value;
      if (!erase) continue;
      if (grip.value) wiped[j] = cells[j];
      cells[j] = grip.value ? now.low : wiped[j] ?? cells[j];
    }
    stage.edit({ state: cells, free: erase ? layer : free });
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = pointerIn(event, canvas);
    if (!alone()) {
      const n = tiles(), tile = size / n;
      const i = Math.floor(y / tile) * n + Math.floor(x / tile);
      if (i >= 0 && i < payload().shown) stage.select(i);
      return;
    }
    if (!payload().editable || stage.tool === "look") return;
    grip = {};
    canvas.setPointerCapture(event.pointerId);
    paint(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (grip) paint(event); });
  canvas.addEventListener("pointerup", () => { grip = null; });
  canvas.addEventListener("pointercancel", () => { grip = null; });

  function picture(to, at, chosen) {
    const now = payload(), cell = 72 / Math.max(now.rows, now.cols);
    const c = sized(to, cell * now.cols, cell * now.rows);
    stamp(c, grey(at, Math.min(chosen ?? stage.selected, now.shown - 1)), 0, 0, cell * now.cols, cell * now.rows);
  }

  return { load, draw, resize, theme: () => draw(stage.at), picture, states: () => payload().shown };
}
