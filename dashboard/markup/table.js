// A table with headings that sort it, by mouse and by keyboard. Everything that came from a plugin is text or LaTeX.
const missing = (v) => v === null || v === undefined || v === "";

function compare(a, b) {
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

export default function ({ parentElement, data, setTriggerValue }) {
  const host = parentElement.querySelector(".ebm-table");
  const signature = JSON.stringify(data);
  if (host.dataset.drawn === signature) return;
  host.dataset.drawn = signature;
  const formulas = [], was = host.sorted;
  const table = element("table", "", "table");
  table.setAttribute("aria-label", data.label);
  const total = data.columns.reduce((sum, c) => sum + c.width, 0);
  const group = element("colgroup");
  for (const column of data.columns) {
    const col = element("col");
    col.style.width = (100 * column.width / total).toFixed(2) + "%";
    group.append(col);
  }
  const status = element("p", "said", "status");
  const head = element("thead", "", "rowgroup"), heads = element("tr", "", "row");
  const body = element("tbody", "", "rowgroup");
  const rows = data.rows.map((cells) => {
    const row = element("tr", "", "row");
    cells.forEach((cell, i) => row.append(drawn(cell, data.columns[i], i)));
    body.append(row);
    return { row, cells };
  });

  function drawn(cell, column, i) {
    const made = element(i ? "td" : "th", column.numbers ? "numbers" : "", i ? "cell" : "rowheader");
    const label = element("span", "label");
    write(label, column.title, formulas);
    const whole = cell.text.length > 2 && cell.text.startsWith("$") && cell.text.indexOf("$", 1) === cell.text.length - 1;
    const value = element("div", whole ? "value whole" : "value");
    const main = element(cell.href ? "a" : "span", cell.badge ? "badge " + cell.badge : "");
    write(main, cell.text, formulas);
    if (cell.href) {
      main.href = cell.href;
      main.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
        event.preventDefault();
        setTriggerValue("chosen", cell.name);
      });
    }
    value.append(main);
    if (cell.below) {
      const below = element("span", "below");
      write(below, cell.below, formulas);
      value.append(below);
    }
    made.append(label, value);
    return made;
  }

  function sort(index, down) {
    host.sorted = { title: data.columns[index].title, down };
    const of = ({ cells }) => cells[index].order ?? cells[index].text;
    const sorted = [...rows].sort((a, b) => {
      const x = of(a), y = of(b);
      return missing(x) || missing(y) ? compare(x, y) : (down ? -1 : 1) * compare(x, y);
    });
    body.append(...sorted.map(({ row }) => row));
    [...heads.children].forEach((one, i) => {
      one.setAttribute("aria-sort", i === index ? (down ? "descending" : "ascending") : "none");
    });
  }

  data.columns.forEach((column, i) => {
    const made = element("th", column.numbers ? "numbers" : "", "columnheader");
    made.setAttribute("scope", "col");
    made.setAttribute("aria-sort", "none");
    const button = element("button", "sort");
    button.type = "button";
    if (column.help) button.title = column.help;
    write(button, column.title, formulas);
    button.append(element("span", "arrow"));
    button.addEventListener("click", () => {
      const down = made.getAttribute("aria-sort") === "ascending";
      sort(i, down);
      status.textContent = `Sorted by ${column.title.replaceAll("$", "")}, ${down ? "descending" : "ascending"}.`;
    });
    made.append(button);
    heads.append(made);
  });
  head.append(heads);
  table.append(group, head, body);
  host.replaceChildren(table, status);
  const again = was ? data.columns.findIndex((c) => c.title === was.title) : -1;
  if (again >= 0) sort(again, was.down);
  render(formulas, data.katex);
}
