"""Own data and what a run leaves behind, in Chromium: a file is looked at, used, travels, is missed and is given again."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_tools import STAGE, answered, digest

from ebm_plugins import store

pytestmark = pytest.mark.browser
GONE = "The data of this link are not kept here any more."


@pytest.fixture(scope="module")
def host(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A dashboard with a store of its own: (its address, the store's folder)."""
    folder = tmp_path_factory.mktemp("host") / "store"
    return serve(env={"EBM_PLUGINS": "", "EBM_STORE": str(folder)}).url, folder


def ring() -> bytes:
    angle = np.random.default_rng(3).uniform(0, 2 * np.pi, 300)
    rows = [f"{i},{9 + 3 * np.cos(a):.4f},{np.sin(a) if i % 30 else 'NA'},red" for i, a in enumerate(angle)]
    return ("id,größe,weight,kind\n" + "\n".join(rows)).encode()


def kept(folder: Path) -> int:
    """How many uploads are stored, beside what the server tries its store with; what runs yielded is elsewhere."""
    return sum(one.is_file() and one.name != sha256(store.PROBE).hexdigest() for one in folder.glob("*"))


def file(name: str, raw: bytes) -> Any:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": raw}


def test_a_file_is_looked_at_used_missed_and_given_again(visitor: Any, host: Any) -> None:
    url, folder = host
    one = visitor(url)
    page = one.open("langevin?data=two-moons&train.landscape=learned&train.epochs=5&sample.steps=20")
    before, address = digest(page), page.url
    page.locator("summary", has_text="Data and training").click()
    page.get_by_role("button", name="Own data").focus()
    page.keyboard.press("Enter")
    chooser = page.locator("[role=dialog] input[type=file]")
    chooser.set_input_files(file("pickle.npy", b"\x80\x04junk"))
    page.get_by_text("a pickle, which is never opened").wait_for()
    chooser.set_input_files([])
    page.get_by_role("button", name="Remove").first.click()
    page.locator("[role=dialog] input[type=file]").set_input_files(file("ring.csv", ring()))
    page.get_by_text("290 points").wait_for()
    page.get_by_text(
        "Left out: 10 rows without a number in a chosen column. Columns without numbers: kind."
    ).wait_for()
    assert page.url == address  # nothing ran and nothing was kept before it was asked for
    assert digest(page) == before
    assert kept(folder) == 0
    page.get_by_role("button", name="Use these data").click()
    after = answered(page, before)
    page.wait_for_function("() => location.search.includes('stored')")
    link = page.url
    assert kept(folder) == 1

    two = visitor(url).open(link)
    two.wait_for_function("(wanted) => window.stage()?.dataset.digest === wanted", arg=after)
    shutil.rmtree(folder)
    lost = visitor(url, width=390).open(link, wait="text=" + GONE)
    assert lost.locator(STAGE).count() == 0
    chooser = lost.locator("input[type=file]")
    chooser.set_input_files(file("other.csv", ring().replace(b"9.", b"8.")))
    lost.get_by_text("got another one", exact=False).wait_for()
    lost.get_by_role("button", name="Remove").first.click()
    lost.locator("input[type=file]").set_input_files(file("ring.csv", ring()))
    lost.wait_for_function("(wanted) => window.stage()?.dataset.digest === wanted", arg=after)
    assert "stored" in lost.url
    assert kept(folder) == 1


def test_whoever_has_no_file_can_go_on_without(visitor: Any, host: Any) -> None:
    page = visitor(host[0]).open(f"hopfield?data=stored:grid8x8:{'0' * 64}&seed=5", wait="text=" + GONE)
    page.get_by_role("button", name="Go on with the data").click()
    page.wait_for_selector(STAGE)
    page.wait_for_function("() => !location.search.includes('stored')")
    assert "seed=5" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_is_a_png_with_the_pages_colours(visitor: Any, scheme: str) -> None:
    from PIL import Image

    page = visitor(scheme=scheme).open("hopfield")
    page.get_by_role("tab", name="Take it away").click()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Picture, PNG").click()
    path = Path(waited.value.path())
    raw = path.read_bytes()
    assert raw.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", raw[16:24])
    assert width == 1280
    assert waited.value.suggested_filename.endswith(".png")
    with Image.open(io.BytesIO(raw)) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
        corner = image.convert("RGB").getpixel((2, 2))
    wanted = {
        "light": ((255, 255, 255), (0xC7, 0x46, 0x0A)),
        "dark": ((0x10, 0x13, 0x17), (0xFF, 0x9A, 0x5A)),
    }
    assert corner == wanted[scheme][0]
    assert wanted[scheme][1] in colours  # cells that are on
    assert height > 500


def test_the_report_needs_nothing_else_and_prints_whole_figures(
    visitor: Any, browser: Any, tmp_path: Path
) -> None:
    page = visitor().open("langevin?sample.steps=40")
    page.get_by_role("tab", name="Take it away").click()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Report, HTML").click()
    path = tmp_path / "report.html"
    path.write_bytes(Path(waited.value.path()).read_bytes())
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    report = context.new_page()
    asked: list[str] = []
    report.on("request", lambda request: asked.append(request.url))
    report.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert report.evaluate("() => document.documentElement.scrollWidth") <= 390
    heads = report.locator("h2").all_inner_texts()
    assert heads == ["Truth", "Diagnostics", "Settings", "The same run again", "References"]
    assert "sample.steps" in report.locator("table").nth(1).inner_text()
    # On paper: 180 mm of A4 at 96 dots an inch are 680 wide and 1,000 high; no figure may need more than a page.
    report.set_viewport_size({"width": 680, "height": 1000})
    report.emulate_media(media="print")
    sizes = report.evaluate(
        "() => [...document.querySelectorAll('figure')].map((f) => [f.getBoundingClientRect().height, getComputedStyle(f).breakInside])"
    )
    assert len(sizes) >= 3
    assert all(height < 900 and inside == "avoid" for height, inside in sizes)
    pdf = report.pdf(prefer_css_page_size=True, print_background=True)
    context.close()
    assert pdf.startswith(b"%PDF")
    (tmp_path / "report.pdf").write_bytes(pdf)
    if shutil.which("pdftotext") is None:
        return
    pages = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\f")[:-1]
    assert 2 <= len(pages) <= 5
    assert all(p.strip() for p in pages)
    for title in ("along x", "Settings", "References"):
        assert any(title in p for p in pages)
