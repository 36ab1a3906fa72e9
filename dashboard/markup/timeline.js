// Points on a line of years. Real links: a plain click stays in the app, any other opens a tab as usual. On a wide page
// one family at a time, the one that is pointed at, says below the line how it avoids Z; on a narrow one each does.
export default function ({ parentElement, data, setTriggerValue }) {
  const frame = parentElement.querySelector(".ebm-timeline");
  const signature = JSON.stringify(data);
  if (frame.dataset.drawn === signature) return;
  frame.dataset.drawn = signature;
  const line = element("ol", "line"), formulas = [];
  line.setAttribute("aria-label", data.alt);
  for (const name of ["label", "detail"]) line.style.setProperty("--" + name, data[name]);
  line.style.setProperty("--height", data.height + "px");
  line.style.setProperty("--axis", data.axis + "px");
  line.style.setProperty("--lane-height", data.lane);
  const show = (item) => { for (const one of line.children) one.classList.toggle("shown", one === item); };
  data.points.forEach((point, i) => {
    const item = element("li", `point ${point.side} ${point.href ? "" : "today"}`);
    for (const name of ["at", "lane"]) item.style.setProperty("--" + name, point[name]);
    const label = element(point.href ? "a" : "span", "label"), name = element("span", "name"), year = element("span", "year");
    name.textContent = point.name;
    year.textContent = point.year;
    label.append(name, year);
    item.append(element("span", "stem"), element("span", "dot"), label);
    if (point.href) {
      label.href = point.href;
      label.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
        event.preventDefault();
        setTriggerValue("chosen", point.key);
      });
      const avoids = element("p", "avoids"), title = element("b"), who = element("span", "who"), how = element("span", "how");
      avoids.id = `avoids-${i}`;
      title.textContent = point.name + " ";
      who.textContent = `${point.authors}, ${point.year}`;
      write(how, point.avoids ? point.avoids.replace(/[.\s]+$/, "") + "." : "", formulas);
      avoids.append(title, who, element("br"), how);
      label.setAttribute("aria-describedby", avoids.id);
      for (const kind of ["pointerenter", "focus"]) label.addEventListener(kind, () => show(item));
      item.append(avoids);
    }
    line.append(item);
  });
  frame.replaceChildren(line);
  show([...line.children].find((item) => !item.classList.contains("today")));
  render(formulas, data.katex);
}
