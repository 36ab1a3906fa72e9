// A link to another run on the same page. A plain click stays in the app, any other opens a tab as usual.
export default function ({ parentElement, data, setTriggerValue }) {
  const link = parentElement.querySelector(".own");
  link.href = data.href;
  link.textContent = data.label;
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    setTriggerValue("opened", true);
  };
}
