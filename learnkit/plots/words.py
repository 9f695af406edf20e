"""Words beside a picture, in any script: what can be shown of one, and which fonts have it."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from matplotlib import font_manager

LONGEST = 16  # characters of a word that are shown
JOINERS = "\u200c\u200d"  # they belong to words, in Persian, Hindi and among emoji
COLOURED = "\ufe0f"  # asks for an emoji in colours, which matplotlib does not have


def readable(word: str) -> str:
    """A word as it can stand beside a picture: in one line, not too long, and what cannot be seen made visible."""
    if len(word) > LONGEST:
        word = f"{word[: LONGEST // 2]}…{word[-(LONGEST // 2 - 1) :]}"
    if not word.strip():
        return repr(word)
    return "".join(map(_visible, word.replace(COLOURED, "")))


def _visible(character: str) -> str:
    # Control characters, marks that turn the direction of writing, halves of characters, breaks of lines.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in JOINERS
    return character.encode("unicode_escape").decode() if hidden else character


def without_tofu(words: Sequence[str], undrawable: set[str]) -> list[str]:
    """The words, and instead of one that no font has, its number."""
    return [f"[{number}]" if undrawable & set(word) else word for number, word in enumerate(words)]


def remark_on(undrawable: set[str]) -> str:
    """What was not found, and what to do."""
    first = min(undrawable)
    others = f" nor {len(undrawable) - 1} more of these characters" if len(undrawable) > 1 else ""
    return (
        f"No font on this machine has {unicodedata.name(first, f'U+{ord(first):04X}')}{others}; words with what is "
        "missing are shown as their numbers. A font from fonts.google.com/noto would mend this."
    )


def fonts_for(words: Iterable[str]) -> tuple[list[str], set[str]]:
    """Font families of this machine that have what matplotlib's own font lacks, and what none of them has."""
    own = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans"))
    missing = {character for word in words for character in word if ord(character) not in _characters(own)}
    missing -= set(JOINERS)
    families = []
    # Those known to have much of the world's writing come first, so that not every file need be opened.
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
    except (OSError, RuntimeError):  # a font that cannot be read has nothing
        return frozenset()
