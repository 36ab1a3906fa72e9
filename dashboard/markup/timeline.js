// Points on a line of years. Real links: a plain click stays in the app, any other opens a tab as usual.
function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

export default function ({ parentElement, data, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame");
  const signature = JSON.stringify(data);
  if (frame.dataset.drawn === signature) return;
  frame.dataset.drawn = signature;
  const line = element("ol", "line");
  line.setAttribute("aria-label", data.alt);
  line.style.setProperty("--height", data.height + "px");
  line.style.setProperty("--axis", data.axis + "px");
  line.style.setProperty("--label", data.label);
  line.style.setProperty("--lane-height", data.lane);
  for (const point of data.points) {
    const item = element("li", `point ${point.side} ${point.href ? "" : "today"}`);
    for (const name of ["at", "lane"]) item.style.setProperty("--" + name, point[name]);
    const label = element(point.href ? "a" : "span", "label");
    label.append(element("span", "name", point.name), element("span", "year", point.year));
    if (point.href) {
      label.href = point.href;
      label.title = point.title;
      label.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
        event.preventDefault();
        setTriggerValue("chosen", point.key);
      });
    }
    item.append(element("span", "stem"), element("span", "dot"), label);
    line.append(item);
  }
  frame.replaceChildren(line);
}
