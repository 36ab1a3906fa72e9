// A moment marked on a figure whose x axes are the run's time: a line over each of its plots, moved without a redraw.
// `spec.cursor` is { stage, per }: the moment of the stage under that key, which a press goes to; or { at }: one place,
// where a press of a figure that takes clicks is told by `send`, the x under it in the place of a point.
function makeCursor(frame, plot, send) {
  const layer = document.createElement("div");
  layer.className = "ebm-cursors";
  layer.setAttribute("aria-hidden", "true");
  let cursor = null, lines = [], held = false, asks = false;

  const moment = () => (cursor && cursor.stage ? MOMENTS.get(cursor.stage) : null);
  const value = () => { // the last unit of x takes what is left of the steps
    if (!cursor) return null;
    const now = moment();
    return cursor.stage ? now && Math.ceil(now.steps[now.at] / cursor.per) : cursor.at;
  };

  // After every drawing: one line a plot, where its axes are now.
  function place(spec, colour) {
    cursor = spec.cursor || null;
    asks = Boolean(cursor && !cursor.stage && spec.clicks);
    frame.classList.toggle("goes", asks || Boolean(cursor && cursor.stage));
    const full = plot._fullLayout, seen = new Set();
    lines = [];
    layer.replaceChildren();
    layer.style.color = colour;
    for (const { xaxis, yaxis } of cursor && full ? Object.values(full._plots || {}) : []) {
      if (!xaxis || !yaxis || !xaxis.d2p) continue;
      const where = [xaxis._offset, xaxis._length, yaxis._offset, yaxis._length].map(Math.round).join();
      if (seen.has(where)) continue; // two scales over one another
      seen.add(where);
      const node = document.createElement("div");
      node.style.top = `${yaxis._offset}px`;
      node.style.height = `${yaxis._length}px`;
      layer.append(node);
      lines.push({ node, xaxis, yaxis });
    }
    if (layer.parentElement !== frame) frame.append(layer);
    move();
  }

  function move() {
    const x = value();
    for (const { node, xaxis } of lines) {
      const px = x === null || x === undefined ? NaN : xaxis.d2p(x);
      const shown = px >= -0.5 && px <= xaxis._length + 0.5;
      node.hidden = !shown;
      if (shown) node.style.transform = `translateX(${(xaxis._offset + px).toFixed(1)}px)`;
    }
    if (lines.length && x !== null && x !== undefined) frame.dataset.moment = x;
    else delete frame.dataset.moment;
  }

  // The step under the pointer, null outside of every plot.
  function under(event, strict) {
    const area = plot.getBoundingClientRect(), scale = area.width / plot.offsetWidth || 1; // stretched in a wide window
    const x = (event.clientX - area.left) / scale, y = (event.clientY - area.top) / scale;
    const over = ({ xaxis, yaxis }) => !strict || (x >= xaxis._offset && x <= xaxis._offset + xaxis._length
      && y >= yaxis._offset && y <= yaxis._offset + yaxis._length);
    const one = lines.find(over);
    return one ? one.xaxis.p2d(Math.min(one.xaxis._length, Math.max(0, x - one.xaxis._offset))) * (cursor.per || 1) : null;
  }

  // The pointer is not captured: plotly.js listens for its end elsewhere.
  function drag(event) {
    const now = moment(), step = now && under(event, false);
    if (held && now && step !== null) now.go(step);
  }
  function drop() {
    held = false;
    for (const end of ["pointerup", "pointercancel"]) window.removeEventListener(end, drop);
    window.removeEventListener("pointermove", drag);
  }
  // What a press asks of the server is asked when it is let go where it began: a finger that scrolls asks nothing.
  function ask(event) {
    const x = under(event, true), from = [event.clientX, event.clientY];
    if (x === null) return;
    const end = (later) => {
      for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, end);
      const near = Math.hypot(later.clientX - from[0], later.clientY - from[1]) < 6;
      if (later.type === "pointerup" && near && asks) send({ x, at: Date.now() });
    };
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end);
  }
  plot.addEventListener("pointerdown", (event) => {
    if (asks && !event.button && event.isPrimary) ask(event);
    const now = moment();
    if (event.button || !now || !lines.length) return;
    const step = under(event, true);
    if (step === null) return;
    held = true;
    now.go(step);
    window.addEventListener("pointermove", drag);
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, drop);
  }, true);

  const heard = (event) => { if (cursor && event.detail === cursor.stage) move(); };
  window.addEventListener("ebm:moment", heard);
  return { place, stop() { drop(); window.removeEventListener("ebm:moment", heard); } };
}
