"""Compare the saved outputs of a notebook's cell with new ones: words, numbers and pictures, each with a tolerance."""

import base64
import io
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from nbformat import NotebookNode
from PIL import Image
from scipy import ndimage


class NotebookMismatch(Exception):
    """Why a notebook fails, as a message for the person who has to fix it."""


# ---------------------------------------------------------------- how much may differ


@dataclass(frozen=True)
class Tolerance:
    """How much the new outputs of a cell may differ from the saved ones."""

    rtol: float = 1e-3
    atol: float = 1e-6
    exact: bool = True  # integers must be equal, and so must versions
    factor: float | None = None  # for times
    shift: int = 1  # pixels
    timeout: float | None = None  # seconds

    @classmethod
    def from_tags(cls, tags: list[str]) -> "Tolerance":
        """The tolerance that a cell's tags ask for; :mod:`tools.nbval_plugin` lists them.

        Raises
        ------
        NotebookMismatch
            If a tag gives no reason.
        """
        given: dict[str, Any] = {}
        for tag in tags:
            name, _, value = tag.partition("=")
            if name == "clock" and not value:
                given["factor"] = 30.0
            if not value or name not in ("rtol", "atol", "clock", "shift", "timeout"):
                continue
            number, _, reason = value.partition(":")
            if not reason.strip():
                raise NotebookMismatch(
                    f"The tag {tag!r} gives no reason. Write it after a colon: {tag}: as measured when …"
                )
            given["factor" if name == "clock" else name] = int(number) if name == "shift" else float(number)
        return cls(**given, exact=not given.keys() & {"rtol", "atol"})


# ---------------------------------------------------------------- words and numbers

# An exponent has a sign, as every program prints it: 12e4567 is the beginning of a hash. The sign of an imaginary part
# belongs to it. What has two points, such as 2.10.0, is a version.
SIGN = r"(?:(?<![\w.])[-+]?|(?<=[\d.])[-+](?=[\d.]+(?:e[-+]\d+)?j))"
DIGITS = rf"{SIGN}(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d*)?|\.\d+)(?:e[-+]\d{{1,3}})?(?!\.\d)"
NOT_FINITE = r"(?<!\w)[-+]?(?:nan|inf)(?=j?(?!\w))"
NUMBER = re.compile(rf"{DIGITS}(?=j?(?!\w))|{NOT_FINITE}", re.IGNORECASE)
NUMBER_WITH_UNIT = re.compile(rf"{DIGITS}(?=[^\W\d_]*(?!\w))|{NOT_FINITE}", re.IGNORECASE)
COLOUR = re.compile(r"(\x1b\[[\d;]*m)")
LINE_END = "⏎"


def compare_text(saved: str, now: str, tolerance: Tolerance) -> list[str]:
    """What differs beyond the tolerance. How many blanks are between two words does not count."""
    saved_words, saved_numbers = _split(saved, tolerance)
    now_words, now_numbers = _split(now, tolerance)
    if saved_words != now_words:
        words = zip([*saved_words, ""], [*now_words, ""], strict=False)
        first = next(i for i, (one, other) in enumerate(words) if one != other)
        one, other = (" ".join(text[max(0, first - 3) : first + 3]) for text in (saved_words, now_words))
        return [f"The words differ (# is a number, {LINE_END} the end of a line): saved {one!r}, now {other!r}."]
    pairs = zip(saved_numbers, now_numbers, strict=True)
    return [difference for one, other in pairs if (difference := _compare_numbers(one, other, tolerance))]


def _split(text: str, tolerance: Tolerance) -> tuple[list[str], list[str]]:
    """The words of a text, in which # replaces each number, and the numbers.

    The end of a line is a word too, except within brackets, if all of them are closed: there it only says where a long
    array was wrapped.
    """
    pattern = NUMBER_WITH_UNIT if tolerance.factor else NUMBER
    words, numbers, depth = [], [], 0
    all_closed = sum(map(text.count, "([{")) == sum(map(text.count, ")]}"))
    for line in text.splitlines():
        for part in COLOUR.split(line):
            if COLOUR.fullmatch(part):
                words.append(part)
                continue
            numbers += pattern.findall(part)
            words += pattern.sub(" # ", part).split()
            depth = max(0, depth + sum(map(part.count, "([{")) - sum(map(part.count, ")]}")))
        if (depth == 0 or not all_closed) and words and words[-1] != LINE_END:
            words.append(LINE_END)
    return words, numbers


def _compare_numbers(saved: str, now: str, tolerance: Tolerance) -> str | None:
    a, b = _decimal(saved), _decimal(now)
    is_exact = tolerance.exact and not tolerance.factor
    if a == b or (a.is_nan() and b.is_nan()):
        if is_exact and {len(number.partition(".")[2]) for number in (saved, now)} == {1, 2}:
            return f"Saved {saved}, now {now}: they are equal as numbers, and different as versions."
        return None
    if not (a.is_finite() and b.is_finite()):
        return f"Saved {saved}, now {now}."
    difference = f"Saved {saved}, now {now}: they differ by {float(abs(a - b)):.3g}"
    if tolerance.factor:
        # A time that was rounded to 0 is taken for the smallest that is printed with that many digits.
        a, b = max(abs(a), _last_digit(saved)), max(abs(b), _last_digit(now))
        factor = float(max(a, b) / min(a, b))
        if factor <= tolerance.factor:
            return None
        return f"{difference}, which is a factor of {factor:.3g}; {tolerance.factor:g} is allowed."
    if is_exact and all(re.fullmatch(r"[-+]?[\d,]+", number) for number in (saved, now)):
        return f"{difference}, and integers must be equal."
    limit = Decimal(str(tolerance.atol)) + Decimal(str(tolerance.rtol)) * abs(a)
    return None if abs(a - b) <= limit else f"{difference}; {float(limit):.3g} is allowed."


def _decimal(number: str) -> Decimal:
    """Exact, so that large integers stay different."""
    return Decimal(number.replace(",", ""))


def _last_digit(number: str) -> Decimal:
    return Decimal(10) ** -len(number.partition(".")[2].lower().partition("e")[0])


# ---------------------------------------------------------------- pictures

# Between what another way to draw the same letters makes (0.29 without hinting, 0.26 without antialiasing) and what an
# "a" in the place of an "o" makes (0.36).
DIFFERENT = 0.32


def pixel_differences(saved: np.ndarray, now: np.ndarray, shift: int) -> np.ndarray:
    """By how much each pixel of one picture differs from all of the other's within ``shift`` pixels.

    In both directions: what has disappeared counts, and what is new. ``(height, width)``, from 0 to 1, slightly
    blurred, so that a single pixel counts for less than a stroke.
    """
    size = (2 * shift + 1, 2 * shift + 1, 1)
    beyond = np.zeros(saved.shape[:2])
    for one, other in ((saved, now), (now, saved)):
        low, high = ndimage.minimum_filter(other, size), ndimage.maximum_filter(other, size)
        beyond = np.maximum(beyond, np.maximum(one - high, low - one).max(axis=2))
    return ndimage.gaussian_filter(np.clip(beyond, 0, 1), 0.7)


def compare_pictures(saved: str, now: str, shift: int, folder: Path) -> list[str]:
    """What differs between two PNG files in base64. If anything does, both and a map of it are written to a folder."""
    one, other = _image(saved), _image(now)
    if any(abs(a - b) > max(4, shift) for a, b in zip(one.size, other.size, strict=True)):
        difference, beyond = f"The saved picture has {one.size} pixels, the new one {other.size}", None
    else:
        beyond = pixel_differences(*_cropped(one, other), shift)
        share = (beyond > DIFFERENT).mean()
        if share == 0:
            return []
        difference = f"The pictures differ in {100 * share:.2g} % of their pixels"
    folder.mkdir(parents=True, exist_ok=True)
    one.save(folder / "saved.png")
    other.save(folder / "now.png")
    if beyond is None:
        return [f"{difference}; see saved.png and now.png in {folder}"]
    Image.fromarray((255 * (1 - beyond)).astype(np.uint8)).save(folder / "difference.png")
    return [f"{difference}; see saved.png, now.png and difference.png in {folder}"]


def _image(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


def _cropped(one: Image.Image, other: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """As arrays ``(height, width, 3)`` of the same size, from 0 to 1."""
    width, height = map(min, one.size, other.size)
    first, second = (np.asarray(image, dtype=np.float32)[:height, :width] / 255 for image in (one, other))
    return first, second


def _smallest_shift(saved: str, now: str, allowed: int) -> int:
    """The smallest shift, in pixels, with which two pictures pass."""
    one, other = _cropped(_image(saved), _image(now))
    shifts = range(allowed + 1)
    return shifts[
        bisect_left(shifts, True, key=lambda shift: bool((pixel_differences(one, other, shift) <= DIFFERENT).all()))
    ]


# ---------------------------------------------------------------- all outputs of a cell


def compare_outputs(
    saved: list[NotebookNode], now: list[NotebookNode], tolerance: Tolerance, folder: Path | None
) -> list[str]:
    """What differs between the saved outputs of a cell and new ones, beyond the tolerance.

    Pictures that differ are written below the folder. Without a folder, no pictures are compared.
    """
    kinds = [_kind(output) for output in saved], [_kind(output) for output in now]
    if kinds[0] != kinds[1]:
        return [f"The saved outputs are {kinds[0] or 'none'}, the new ones {kinds[1] or 'none'}."]
    differences = []
    for number, is_picture, one, other in _pairs(saved, now):
        if not is_picture:
            differences += compare_text(one, other, tolerance)
        elif folder is not None:
            differences += compare_pictures(one, other, tolerance.shift, folder / str(number))
    return differences


def _kind(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return output.name
    return "error" if output.output_type == "error" else ", ".join(sorted(output.data))


def _pairs(saved: list[NotebookNode], now: list[NotebookNode]) -> Iterator[tuple[int, bool, str, str]]:
    """What to compare: the number of the output, whether it is a picture, its saved content and its new content."""
    for number, (one, other) in enumerate(zip(saved, now, strict=True)):
        if one.output_type == "stream":
            yield number, False, one.text, other.text
        elif one.output_type == "error":
            yield number, False, f"{one.ename}: {one.evalue}", f"{other.ename}: {other.evalue}"
        else:
            for mime in one.data:
                yield number, mime == "image/png", str(one.data[mime]), str(other.data[mime])


def tolerance_used(saved: list[NotebookNode], now: list[NotebookNode], tolerance: Tolerance) -> list[str]:
    """The largest differences between outputs that pass, so that a tolerance can be chosen by what was seen."""
    used, numbers, shifts = [], [], []
    for _, is_picture, one, other in _pairs(saved, now):
        if is_picture:
            shifts.append(_smallest_shift(one, other, tolerance.shift))
            continue
        for a, b in zip(_split(one, tolerance)[1], _split(other, tolerance)[1], strict=True):
            numbers.append((abs(float(_decimal(a)) - float(_decimal(b))), a, b))
    distance, a, b = max((entry for entry in numbers if entry[0] > 0), default=(0, "", ""))
    if distance:
        used.append(f"saved {a}, now {b}")
    if max(shifts, default=0) > 1:
        used.append(f"{max(shifts)} pixels of {tolerance.shift}")
    return used
