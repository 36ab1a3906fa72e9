// A table with headings that sort it, by mouse and by keyboard. Everything that came from a plugin is text or LaTeX.
function element(tag, name, role) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (role) made.setAttribute("role", role);
  return made;
}

// "the sum $Z$ is" as text and formulas; a lone dollar sign is a dollar sign.
function write(into, text, formulas) {
  const parts = text.split("$");
  if (parts.length % 2 === 0) { into.append(text); return; }
  parts.forEach((part, i) => {
    if (!part) return;
    if (i % 2 === 0) { into.append(part); return; }
    const formula = element("span", "formula awaited");
    formula.textContent = part;
    into.append(formula);
    formulas.push([formula, part]);
  });
}

// Formulas are drawn by the renderer that draws those of the page's own text (rehype-katex), so that they look alike
// and need no other style sheet. It turns <code class="math-inline"> of a syntax tree into KaTeX's elements.
async function render(formulas, url) {
  try {
    const transform = (await import(new URL(url, document.baseURI).href)).default({ maxExpand: 200, maxSize: 20 });
    for (const [into, tex] of formulas) {
      const math = { type: "element", tagName: "code", properties: { className: ["math-inline"] },
        children: [{ type: "text", value: tex }] };
      const tree = { type: "root", children: [math] };
      transform(tree, { message() {} });
      into.replaceChildren(...tree.children.map((child) => made(child, XHTML)));
      into.className = "formula drawn";
    }
  } catch (error) { for (const [into] of formulas) into.classList.remove("awaited"); /* LaTeX can be read too */ }
}

const XHTML = "http://www.w3.org/1999/xhtml";
const SPACES = { svg: "http://www.w3.org/2000/svg", math: "http://www.w3.org/1998/Math/MathML" };
const NAMES = { className: "class", ariaHidden: "aria-hidden" };

function made(node, space) {
  if (node.type !== "element") return document.createTextNode(node.value ?? "");
  const here = SPACES[node.tagName] ?? space, out = document.createElementNS(here, node.tagName);
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    if (name !== "xmlns") out.setAttribute(NAMES[name] ?? name, Array.isArray(value) ? value.join(" ") : value);
  }
  out.append(...(node.children ?? []).map((child) => made(child, here)));
  return out;
}

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
