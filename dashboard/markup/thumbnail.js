// A link with the picture of a run. The picture is our own: shapes and numbers, never a word from a plugin; words are
// text. A plain click stays in the app, any other opens a tab as usual.
const SAID = { waiting: "Running it…", failed: "No picture" };

export default function ({ parentElement, data, setTriggerValue }) {
  const [card, frame, title, about] = [".card", ".thumb", ".title", ".about"].map((name) => parentElement.querySelector(name));
  card.href = data.href;
  title.textContent = data.title;
  about.textContent = data.about;
  card.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    setTriggerValue("opened", true);
  };
  if (frame.dataset.state === data.state) return;
  frame.dataset.state = data.state;
  frame.className = "thumb " + data.state;
  if (data.state === "ready") frame.innerHTML = data.svg;
  else frame.textContent = SAID[data.state];
}
