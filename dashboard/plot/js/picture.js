// Saves an SVG that Python made as a PNG: drawn on a canvas of this browser, so that no server needs one.
export default function (component) {
  const button = component.parentElement.querySelector("button");
  const note = component.parentElement.querySelector(".said");
  const spec = component.data;
  const save = async () => {
    const svg = isDark(button) ? spec.dark : spec.light;
    const scale = spec.scale || 2;
    button.disabled = true;
    try {
      const image = new Image();
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = spec.width * scale;
      canvas.height = spec.height * scale;
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise((done, failed) =>
        canvas.toBlob((made) => (made ? done(made) : failed(new Error("no picture was made"))), "image/png"));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = spec.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      note.textContent = `${spec.name} was saved.`;
    } catch (error) {
      note.textContent = `The picture could not be saved: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener("click", save);
  return () => button.removeEventListener("click", save);
}
