// Play, pause, step, scrub, speed: all in the browser.
const ICONS = {
  start: "M6 5h2.4v14H6zM19 5v14l-9.5-7z",
  end: "M15.6 5H18v14h-2.4zM5 5v14l9.5-7z",
  back: "M15.5 5.5 9 12l6.5 6.5-1.5 1.5-8-8 8-8z",
  play: "M8 5v14l11-7z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  next: "M8.5 5.5 15 12l-6.5 6.5L10 20l8-8-8-8z",
  loop: "M7 7h10v3l4-4-4-4v3H5v6h2zm10 10H7v-3l-4 4 4 4v-3h12v-6h-2z",
};

function icon(name) {
  const image = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" });
  image.append(svg("path", { d: ICONS[name] }));
  return image;
}

function makeTransport(box, stage) {
  const button = (name, label, action, key) => el("button", { type: "button", class: name, "aria-label": label,
    title: `${label} (${key})`, onclick: action }, icon(name));
  const play = button("play", "Play", () => stage.toggle(), "space");
  const loop = button("loop", "Repeat", repeat, "L");
  loop.setAttribute("aria-pressed", "false");
  const range = el("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Moment shown", title: "← and → one step, page up and page down further, home and end",
    oninput: () => { stage.pause(); stage.show(+range.value); } });
  const words = el("span", { class: "moment", "aria-live": "off" });
  const speed = el("select", { "aria-label": "Speed", title: "Speed (, and .)", onchange: () => { stage.speed = +speed.value; } },
    ...[["0.25", "¼×"], ["1", "1×"], ["4", "4×"]].map(([value, text]) => el("option", { value, text })));
  speed.value = "1";
  box.append(
    button("start", "To the start", () => { stage.pause(); stage.show(0); }, "Home"),
    button("back", "One back", () => { stage.pause(); stage.show(stage.at - 1); }, "←"),
    play,
    button("next", "One on", () => { stage.pause(); stage.show(stage.at + 1); }, "→"),
    button("end", "To the end", () => { stage.pause(); stage.show(stage.payload.steps.length - 1); }, "End"),
    el("div", { class: "scrub" }, range, words), speed, loop);

  function repeat() {
    stage.loop = !stage.loop;
    loop.setAttribute("aria-pressed", stage.loop);
  }

  const KEYS = [0.25, 1, 4];
  function faster(by) {
    speed.selectedIndex = clamp(speed.selectedIndex + by, 0, KEYS.length - 1);
    stage.speed = KEYS[speed.selectedIndex];
  }

  let shownPlaying = null;
  return { repeat, faster,
    load(payload) {
      range.max = payload.steps.length - 1;
      const one = payload.steps.length < 2;
      box.classList.toggle("still", one);
      for (const node of box.querySelectorAll("button, input")) node.disabled = one;
      box.style.setProperty("--digits", String(number(payload.steps[payload.steps.length - 1])).length);
    },
    move(at) {
      const last = stage.payload.steps.length - 1;
      range.value = at;
      range.style.setProperty("--done", `${last ? (100 * at) / last : 100}%`);
      const step = stage.payload.steps[at];
      const end = stage.payload.steps[last];
      const unit = stage.payload.unit[0].toUpperCase() + stage.payload.unit.slice(1);
      words.replaceChildren(el("span", { class: "unit", text: `${unit} ` }), `${number(step)} of ${number(end)}`);
      range.setAttribute("aria-valuetext", `${unit} ${step} of ${end}`);
    },
    playing(now) {
      if (now === shownPlaying) return;
      shownPlaying = now;
      play.replaceChildren(icon(now ? "pause" : "play"));
      play.setAttribute("aria-label", now ? "Pause" : "Play");
      play.title = now ? "Pause (space)" : "Play (space)";
    },
  };
}
