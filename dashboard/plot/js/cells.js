const OFFER_WORDS = { " refused": ", flip refused", " flipped": ", flipped" };

// A grid of cells: real buttons (arrows move, space flips, drag paints), a film of moments or a strip of states.
function makeCells(box, stage) {
  const grid = el("div", { class: "board", role: "group" });
  box.append(grid);
  let cells = [], shape = "", focus = 0, painting = null;
  const wiped = {}; // what stood in cells that were erased
  const payload = () => stage.payload;
  const dim = () => payload().rows * payload().cols;

  // The state that is looked at, as 0 and 1.
  function state(at) {
    if (stage.pending && stage.pending.state) return stage.pending.state;
    const { bits } = payload().frames;
    const [, shown, width] = bits.shape, row = at * shown + Math.min(stage.selected, shown - 1);
    return Uint8Array.from({ length: dim() }, (_, i) => bit(bits, width, row, i));
  }

  function load(now) {
    const name = `${now.rows}x${now.cols}`;
    grid.setAttribute("aria-label", `${now.rows} by ${now.cols} cells. ${now.editable ? "Arrows move, space flips." : ""}`);
    grid.classList.toggle("locked", !now.editable);
    if (name === shape) return;
    shape = name;
    focus = 0;
    grid.style.setProperty("--cols", now.cols);
    grid.style.setProperty("--rows", now.rows);
    grid.classList.toggle("dense", Math.max(now.rows, now.cols) > 16);
    cells = Array.from({ length: dim() }, (_, i) => el("button", { type: "button", "data-i": i,
      tabindex: i ? -1 : 0 }));
    grid.replaceChildren(...cells);
  }

  function draw(at) {
    const now = state(at), own = target(), free = stage.freeMask(), offered = proposals(at);
    for (let i = 0; i < cells.length; i++) {
      const wrong = own ? own(i) !== now[i] : false, erased = free ? free[i] : 0, offer = offered ? offered(i, now[i]) : "";
      const name = `cell${now[i] ? " on" : ""}${wrong ? " wrong" : ""}${erased ? " erased" : ""}${offer}`;
      if (cells[i].className === name) continue;
      cells[i].className = name;
      const where = `row ${Math.floor(i / payload().cols) + 1}, column ${(i % payload().cols) + 1}`;
      cells[i].setAttribute("aria-label", `${where}: ${now[i] ? "on" : "off"}${wrong ? ", differs" : ""}${erased ? ", erased" : ""}${OFFER_WORDS[offer] || ""}`);
      cells[i].setAttribute("aria-pressed", now[i] ? "true" : "false");
    }
  }

  // Of samplers that propose: the cells whose flip was refused last, and those that have flipped since the moment before.
  function proposals(at) {
    const { proposed, frames: { bits } } = payload();
    if (!proposed || stage.pending) return null;
    const [, shown, width] = bits.shape, chosen = Math.min(stage.selected, shown - 1);
    return (i, on) => (bit(proposed.bits, width, at * shown + chosen, i) ? " refused"
      : at > 0 && bit(bits, width, (at - 1) * shown + chosen, i) !== on ? " flipped" : "");
  }

  // What the state is compared with: the pattern that it came from, or ended in.
  function target() {
    const { patterns, origin } = payload();
    if (!patterns || !origin) return null;
    const own = origin[Math.min(stage.selected, origin.length - 1)];
    return (i) => bit(patterns, patterns.shape[1], own, i);
  }

  // Paints the cells from the last one that was painted in this drag to this one.
  function paint(i) {
    if (!payload().editable || !(i >= 0)) return;
    const erase = stage.tool === "erase", free = stage.freeMask(), now = Array.from(state(stage.base()));
    const layer = erase ? (free ? [...free] : new Array(dim()).fill(0)) : now;
    painting ??= { value: layer[i] ? 0 : 1, last: i };
    const path = crossed(painting.last, i, payload().cols).filter((j) => layer[j] !== painting.value);
    painting.last = i;
    if (!path.length) return;
    for (const j of path) {
      layer[j] = painting.value;
      if (!erase) continue;
      if (painting.value) wiped[j] = now[j];
      now[j] = painting.value ? 0 : wiped[j] ?? now[j]; // what is erased is off; what is brought back, as it was
    }
    stage.edit({ state: now, free: erase ? layer : free });
  }

  const index = (node) => (node && node.dataset && node.dataset.i !== undefined ? +node.dataset.i : -1);
  const touch = (event) => grid.getRootNode().elementFromPoint(event.clientX, event.clientY);
  grid.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const i = index(event.target);
    if (i < 0) return;
    painting = null;
    paint(i);
    rove(i, false);
    painting ??= { value: null };
    grid.setPointerCapture(event.pointerId);
  });
  grid.addEventListener("pointermove", (event) => { if (painting && painting.value !== null) paint(index(touch(event))); });
  grid.addEventListener("pointerup", () => { painting = null; });
  grid.addEventListener("pointercancel", () => { painting = null; });
  grid.addEventListener("keydown", (event) => {
    const cols = payload().cols, moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -cols, ArrowDown: cols };
    if (event.key in moves) {
      const next = focus + moves[event.key];
      const wraps = Math.abs(moves[event.key]) === 1 && Math.floor(next / cols) !== Math.floor(focus / cols);
      if (next >= 0 && next < dim() && !wraps) rove(next, true);
    } else if (event.key === " " || event.key === "Enter") {
      painting = null;
      paint(focus);
      painting = null;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  grid.addEventListener("focusin", (event) => { if (index(event.target) >= 0) rove(index(event.target), false); });

  function rove(i, move) {
    if (cells[focus]) cells[focus].tabIndex = -1;
    focus = i;
    cells[i].tabIndex = 0;
    if (move) cells[i].focus();
  }

  // A small picture of one state.
  function picture(canvas, at, chosen) {
    const now = payload(), { bits } = now.frames, [, shown, width] = bits.shape;
    const own = chosen === undefined ? target() : null;
    const row = at * shown + Math.min(chosen ?? stage.selected, shown - 1);
    const size = 72, cell = size / Math.max(now.rows, now.cols), gap = cell > 6 ? 1.4 : cell > 3 ? 0.6 : 0;
    const c = sized(canvas, cell * now.cols, cell * now.rows);
    c.clearRect(0, 0, size, size);
    for (let i = 0; i < dim(); i++) {
      const on = bit(bits, width, row, i), x = (i % now.cols) * cell, y = Math.floor(i / now.cols) * cell;
      c.fillStyle = on ? stage.colours.model : stage.colours.off;
      c.fillRect(x, y, cell - gap, cell - gap);
      if (own && own(i) !== on && cell > 4) {
        c.beginPath();
        c.arc(x + (cell - gap) / 2, y + (cell - gap) / 2, cell * 0.2, 0, 7);
        c.fillStyle = stage.colours.ink;
        c.fill();
        c.lineWidth = 0.8;
        c.strokeStyle = stage.colours.page;
        c.stroke();
      }
    }
  }

  return { load, draw, resize() {}, theme: () => draw(stage.at), picture, pick: state,
    states: () => payload().shown };
}
