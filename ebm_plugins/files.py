"""Files from strangers as data: which kind a file is (by its content, not only its name), and who reads it.

Everything is bounded before it is read (:mod:`ebm_plugins.file_limits`), and nothing is unpickled.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import arrays
from ebm_plugins.file_limits import (
    MOST_BYTES,
    MOST_FILES,
    MOST_PIXELS,
    MOST_PIXELS_TOGETHER,
    MOST_VALUES,
    check_size,
    refuse,
)
from ebm_plugins.records import ConfigError
from ebm_plugins.tables import Table, clean, from_csv, from_parquet

TABLES = {"csv": "CSV", "txt": "text", "tsv": "text", "parquet": "Parquet", "npy": "NumPy", "npz": "NumPy"}
IMAGES = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "bmp": "BMP"}
ENDINGS = (*TABLES, *IMAGES)
LARGEST_SIDE = 128  # pixels that are kept of a picture, so that its size in cells can still be chosen

# What a file of another kind begins with, to be able to say what came.
SIGNS = {
    b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"PAR1": "parquet", b"PK\x03\x04": "npz",
    arrays.MAGIC: "npy", b"%PDF": "PDF", b"\x1f\x8b": "gzip", b"\x80\x04": "pickle", b"\x80\x05": "pickle",
    b"\x80\x03": "pickle", b"\x80\x02": "pickle", b"\x7fELF": "program", b"MZ": "program",
}  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """Grey pictures (h, w), each from 0 (black) to 1 (white), which may differ in size; their names; and what was
    left out of them, in phrases."""

    pictures: tuple[NDArray[np.float64], ...]
    names: tuple[str, ...]
    dropped: tuple[str, ...] = ()


Content = Table | Pictures


def read(files: Sequence[tuple[str, bytes]]) -> Content:
    """What one file holds, or several pictures. ``files`` are (name, content).

    Raises ConfigError("data", ...): what was expected, what came.
    """
    if not files:
        raise refuse("a file", "none")
    total = sum(len(raw) for _, raw in files)
    if total > MOST_BYTES:
        raise refuse(f"at most {MOST_BYTES / 1e6:g} MB", f"{total / 1e6:,.1f} MB")
    if len(files) > MOST_FILES:
        raise refuse(f"at most {MOST_FILES} pictures at a time", f"{len(files)}")
    kinds = [_kind(name, raw) for name, raw in files]
    if all(kind in IMAGES for kind in kinds):
        names = tuple(clean(name.rpartition("/")[2]) for name, _ in files)
        found, moving, together = [], [], 0
        for kind, name, (_, raw) in zip(kinds, names, files, strict=True):
            grey, pixels, moves = _picture(raw, IMAGES[kind], MOST_PIXELS_TOGETHER - together)
            found.append(grey)
            together += pixels
            moving += [name] if moves else []
        still = f"all but the first picture of {_listed(moving)}, which move{'' if len(moving) > 1 else 's'}"
        return Pictures(tuple(found), names, (still,) if moving else ())
    if len(files) > 1:
        raise refuse("one table, or pictures alone", f"{len(files)} files of different kinds")
    raw = files[0][1]
    if kinds[0] == "parquet":
        return from_parquet(raw)
    if kinds[0] == "npy":
        return _array(arrays.from_npy(raw))
    if kinds[0] == "npz":
        held = arrays.from_npz(raw)
        name = "x" if "x" in held else "states" if "states" in held else max(held, key=lambda k: held[k].size)
        return _array(held[name])
    return from_csv(raw)


def _kind(name: str, raw: bytes) -> str:
    """The ending of a file whose content agrees with it."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in ENDINGS:
        raise refuse(
            "a file that ends in " + ", ".join(f".{e}" for e in ENDINGS), clean(name[-40:]) or "no name"
        )
    if not raw:
        raise refuse("a file with something in it", "an empty one")
    sign = next((kind for start, kind in SIGNS.items() if raw.startswith(start)), "")
    if raw.startswith(b"BM") and ending == "bmp":
        sign = "bmp"
    alike = {"jpeg": "jpg"}.get(ending, ending)
    text = ending in ("csv", "tsv", "txt")
    if (text and sign) or (not text and sign != alike):
        came = {"pickle": "a pickle, which is never opened"}.get(
            sign, f"a {sign} file" if sign else "something else"
        )
        raise refuse(f"what a .{ending} file holds", came)
    return ending


def _array(x: NDArray[np.generic]) -> Content:
    """An array as a table (n, d), or as pictures (n, h, w) from their least to their greatest value."""
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim == 3:
        check_size(x.shape[0], x.shape[1] * x.shape[2], "pictures")
        grey = np.asarray(x, dtype=float)
        finite = np.isfinite(grey)
        if not finite.any():
            raise refuse("finite numbers", "none")
        low, high = float(grey[finite].min()), float(grey[finite].max())
        if low >= 0 and high <= 1:
            pass
        elif x.dtype == np.uint8:
            grey = grey / 255.0
        else:
            grey = from_least_to_greatest(grey)
        return Pictures(tuple(grey), tuple(f"Picture {i + 1}" for i in range(len(grey))))
    if x.ndim != 2:
        raise refuse("an array of two or three axes", f"one of {x.ndim}")
    check_size(*x.shape)
    return Table(tuple(f"Column {i + 1}" for i in range(x.shape[1])), np.asarray(x, dtype=float))


def within_reach(x: NDArray[np.float64], axis: int | None = None) -> NDArray[np.float64]:
    """Numbers times a power of two (along an axis, one for each column), which changes no digit of them, so that the
    largest is between 1/2 and 1: then squares neither overflow nor vanish."""
    finite = np.where(np.isfinite(x), np.abs(x), 0.0)
    _, power = np.frexp(finite.max(axis=axis, keepdims=True, initial=0.0))
    scaled: NDArray[np.float64] = np.ldexp(x, -power)
    return scaled


def from_least_to_greatest(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers as shares of the way from the least of the finite ones to the greatest; 0 where these are one."""
    x = within_reach(x)
    finite = x[np.isfinite(x)]
    low, high = float(finite.min()), float(finite.max())
    shares: NDArray[np.float64] = (x - low) / ((high - low) or 1.0)
    return shares


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"‘{name}’" for name in names[:3]) + (" and others" if len(names) > 3 else "")


def _picture(raw: bytes, form: str, most: int) -> tuple[NDArray[np.float64], int, bool]:
    """A picture in grey, at most :data:`LARGEST_SIDE` along a side; how many pixels it had, of at most so many; and
    whether it was one of several in its file. Its size is read from its header first."""
    try:
        from PIL import Image
    except ImportError:
        raise refuse("a table (this host cannot read pictures)", form) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(raw), formats=(form,)) as image:
                width, height = image.size
                if width * height > MOST_PIXELS or width < 1 or height < 1:
                    limit = f"a picture of at most {MOST_PIXELS / 1e6:g} million pixels"
                    raise refuse(limit, f"one of {width:,} × {height:,}")
                if width * height > most:
                    limit = f"pictures of at most {MOST_PIXELS_TOGETHER / 1e6:g} million pixels together"
                    raise refuse(limit, "more (send them smaller, or fewer at a time)")
                moves = bool(getattr(image, "is_animated", False))
                image.draft("L", (2 * LARGEST_SIDE, 2 * LARGEST_SIDE))
                if image.mode.startswith(("I", "F")):
                    grey = Image.fromarray(_of_sixteen_bits(image))
                elif "A" in image.getbands() or "transparency" in image.info:
                    over = Image.new("RGBA", image.size, "white")
                    over.alpha_composite(image.convert("RGBA"))
                    grey = over.convert("L")
                else:
                    grey = image.convert("L")
                side = max(grey.size)
                if side > LARGEST_SIDE:
                    ends = [max(1, round(n * LARGEST_SIDE / side)) for n in grey.size]
                    grey = grey.resize((ends[0], ends[1]), Image.Resampling.BOX)
                pixels = np.asarray(grey, dtype=np.uint8)
    except ConfigError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise refuse(f"a picture of at most {MOST_PIXELS / 1e6:g} million pixels", "one far larger") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, MemoryError):
        raise refuse(f"a whole {form} picture", "a damaged one") from None
    assert pixels.size <= MOST_VALUES
    return pixels / 255.0, width * height, moves


def _of_sixteen_bits(image: Any) -> NDArray[np.uint8]:
    """A grey picture of 16 bits a pixel in 8; what it calls transparent lies on white. (Pillow's own conversion to 8
    bits turns all that is above 255 of 65,535 white.)"""
    values = np.clip(np.asarray(image), 0, 65_535).astype(np.uint16)
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return grey
