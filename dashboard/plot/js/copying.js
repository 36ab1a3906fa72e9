// Copies a text. Where the browser keeps its clipboard to itself (a page without https), the text is selected and
// copied the old way; where that fails too, it stays selected for the reader's own keys.
export default function (component) {
  const root = component.parentElement;
  const button = root.querySelector("button"), said = root.querySelector(".said"), field = root.querySelector("input");
  let timer = 0;
  field.value = component.data.text;
  const say = (words, keep) => {
    said.textContent = words;
    clearTimeout(timer);
    if (!keep) timer = setTimeout(() => { said.textContent = ""; }, 4000);
  };
  const old = () => {
    field.hidden = false;
    field.select();
    field.setSelectionRange(0, field.value.length);
    let done = false;
    try { done = document.execCommand("copy"); } catch { done = false; }
    if (!done) return false;
    field.hidden = true;
    button.focus();
    return true;
  };
  button.onclick = async () => {
    let done = false;
    try {
      await navigator.clipboard.writeText(field.value);
      done = true;
    } catch {
      done = old();
    }
    if (done) say("Copied");
    else say("Selected: press Ctrl C or ⌘ C", true);
  };
  return () => { clearTimeout(timer); button.onclick = null; };
}
