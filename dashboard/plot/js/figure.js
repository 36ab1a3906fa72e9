// Draws a Plotly figure in place. One node a key: zoom, hover and focus survive new figures.
const DARKER = (() => {
  const map = new Map();
  const add = (light, dark) => { if (!map.has(light.toUpperCase())) map.set(light.toUpperCase(), dark); };
  add(PALETTE.light.halo, PALETTE.dark.halo);
  for (const name of Object.keys(PALETTE.light)) add(PALETTE.light[name], PALETTE.dark[name]);
  for (const kind of ["energy", "categories"]) {
    PALETTE[kind].light.forEach((colour, i) => add(colour, PALETTE[kind].dark[i]));
  }
  return map;
})();
const DARKER_RGB = new Map([...DARKER].map(([k, v]) => [channels(k).join(), v]));

function darkText(text) {
  if (text.length > 4000) return text;
  return text
    .replace(/#[0-9a-f]{6}/gi, (hex) => DARKER.get(hex.toUpperCase()) || hex)
    .replace(/rgba?\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)/gi, (found, r, g, b) => {
      const dark = DARKER_RGB.get([+r, +g, +b].join());
      return dark ? found.replace(/\(.*/, "(" + channels(dark).join(",")) : found;
    });
}

function painted(value, dark) {
  if (typeof value === "string") return dark ? darkText(value) : value;
  if (ArrayBuffer.isView(value)) return value.shape && value.shape.length > 1 ? rows(value) : value;
  if (Array.isArray(value)) return value.map((v) => painted(v, dark));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, dark)]));
  }
  return value;
}

function loadPlotly(url) {
  if (window.Plotly && window.Plotly.react) return Promise.resolve(window.Plotly);
  window.__ebmPlotly ||= new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    tag.src = url;
    tag.onload = () => resolve(window.Plotly);
    tag.onerror = () => { window.__ebmPlotly = null; reject(new Error("plotly.js did not load")); };
    document.head.appendChild(tag);
  });
  return window.__ebmPlotly;
}

function clicked(event) {
  const p = event.points[0];
  const i = p.pointNumber ?? p.pointIndex ?? null;
  return { x: p.x ?? null, y: p.y ?? null, z: p.z ?? null, trace: p.curveNumber, point: i,
    customdata: p.customdata ?? null, at: Date.now() };
}

export default function (component) {
  const frame = component.parentElement.querySelector(".ebm-figure");
  const plot = frame.querySelector(".ebm-plot");
  const spec = openEnvelope(component.data);
  const state = (frame.__ebm ||= {});
  frame.setAttribute("aria-label", spec.alt);
  plot.style.minHeight = spec.layout.height + "px";
  frame.style.minHeight = `calc(${spec.layout.height}px * var(--scale, 1))`;
  state.spec = spec;
  state.send = component.setTriggerValue;
  const config = { displayModeBar: false, displaylogo: false, responsive: true, scrollZoom: false,
    doubleClick: spec.zoom ? "reset+autosize" : false };
  const mark = () => state.cursor.place(state.spec, coloursOf(isDark(frame)).muted);
  state.cursor ||= makeCursor(frame, plot, (click) => state.send("click", click));
  const draw = async () => {
    try {
      const plotly = await loadPlotly(state.spec.plotly);
      const layout = painted(state.spec.layout, isDark(frame));
      if (!state.spec.zoom) {
        for (const name of new Set([...Object.keys(layout), "xaxis", "yaxis"])) {
          if (/^[xy]axis\d*$/.test(name)) layout[name] = { fixedrange: true, ...layout[name] };
        }
      }
      await plotly.react(plot, painted(state.spec.data, isDark(frame)), layout, config);
      if (!state.listening) {
        state.listening = true;
        plot.on("plotly_click", (event) => state.spec.clicks && !state.spec.cursor && state.send("click", clicked(event)));
        plot.on("plotly_afterplot", mark);
      }
      mark();
    } catch (error) {
      plot.innerHTML = "";
      const note = document.createElement("p");
      note.className = "ebm-failed";
      note.textContent = `This figure could not be drawn. ${error.message}. ${state.spec.alt}`;
      plot.appendChild(note);
      state.listening = false;
    }
  };
  state.drawing = (state.drawing || Promise.resolve()).then(draw);
  state.stop ||= onTheme(frame, () => { state.drawing = state.drawing.then(draw); });
  // Streamlit also calls this when a newer call overtook this one: only a frame that has left is let go.
  return () => setTimeout(() => {
    if (frame.isConnected) return;
    if (state.stop) state.stop();
    state.cursor.stop();
    if (window.Plotly) window.Plotly.purge(plot);
  });
}
