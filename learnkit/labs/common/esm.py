"""One ES module made of several files: a browser can load only one from a kernel, and no bundler is needed for it."""

import re
from pathlib import Path

COMMON = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_NAME = re.compile(r"^(?:export )?(?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE)


def esm(*files: Path) -> str:
    """These files and all that they import from files of their own, each once, after what it needs.

    Each file is an ES module of its own too, which Node.js and an editor understand. Joined, they share one scope.

    Raises
    ------
    ValueError
        If two files define the same name.
    """
    sources: dict[Path, str] = {}
    for file in files:
        _add(file.resolve(), sources)
    owner: dict[str, Path] = {}
    for file, source in sources.items():
        for name in _NAME.findall(source):
            if owner.setdefault(name, file) != file:
                raise ValueError(f"{file.name} and {owner[name].name} both define {name!r}. Rename one of them.")
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", source)) for source in sources.values())


def css(*files: Path) -> str:
    """What all labs look like, and these files after it."""
    return "\n".join(file.read_text(encoding="utf-8") for file in (COMMON / "lab.css", *files))


def _add(file: Path, sources: dict[Path, str]) -> None:
    source = file.read_text(encoding="utf-8")
    for name in _IMPORT.findall(source):
        if (needed := (file.parent / name).resolve()) not in sources:
            _add(needed, sources)
    sources[file] = source
