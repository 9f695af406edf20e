"""Words beside a picture, in any script: a readable form of each, and fonts that have its characters."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from matplotlib import font_manager

MAX_LENGTH = 16  # characters of a word that are shown
JOINERS = "\u200c\u200d"  # part of words in Persian, Hindi and among emoji
EMOJI_STYLE = "\ufe0f"  # asks for a coloured emoji, which matplotlib cannot draw

NO_FONT = "No font on this machine has {character}{others}."
OTHERS = ", nor {count} more of these characters"
REMEDY = " Words with missing characters are shown as numbers; a font from fonts.google.com/noto would fix this."


def readable(word: str) -> str:
    """A word on one line, shortened if it is long, with invisible characters made visible."""
    if len(word) > MAX_LENGTH:
        word = f"{word[: MAX_LENGTH // 2]}…{word[-(MAX_LENGTH // 2 - 1) :]}"
    if not word.strip():
        return repr(word)
    return "".join(map(_visible, word.replace(EMOJI_STYLE, "")))


def _visible(character: str) -> str:
    # Control characters, marks that change the direction of writing, surrogates, line breaks.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in JOINERS
    return character.encode("unicode_escape").decode() if hidden else character


def without_tofu(words: Sequence[str], undrawable: set[str]) -> list[str]:
    """The words, with a number in place of each word that no font can draw."""
    return [f"[{number}]" if undrawable & set(word) else word for number, word in enumerate(words)]


def missing_font_remark(undrawable: set[str]) -> str:
    """Which characters no font has, and what to do."""
    first = min(undrawable)
    others = OTHERS.format(count=len(undrawable) - 1) if len(undrawable) > 1 else ""
    return NO_FONT.format(character=unicodedata.name(first, f"U+{ord(first):04X}"), others=others) + REMEDY


def fonts_for(words: Iterable[str]) -> tuple[list[str], set[str]]:
    """Installed font families that have what matplotlib's own font lacks, and the characters that none of them has."""
    own = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans"))
    missing = {character for word in words for character in word if ord(character) not in _characters(own)}
    missing -= set(JOINERS)
    families = []
    # Fonts known to cover many scripts come first, so that not every file has to be opened.
    known = ("Noto Sans CJK", "PingFang", "Hiragino", "Microsoft YaHei", "SimHei", "WenQuanYi", "Arial Unicode")
    fonts = sorted(font_manager.fontManager.ttflist, key=lambda font: (not font.name.startswith(known), font.name))
    for font in fonts:
        if not missing:
            break
        if font.style == "normal" and "Last Resort" not in font.name and Path(font.fname).exists():
            found = {character for character in missing if ord(character) in _characters(font.fname)}
            if found and font.name not in families:
                families.append(font.name)
                missing -= found
    return families, missing


@cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that cannot be read has no characters
        return frozenset()
