"""Finished runs in one SQLite file, so that an interrupted study can resume."""

import hashlib
import json
import os
import sqlite3
import warnings
import zlib
from pathlib import Path

from torch import Tensor

from learnkit.data import LabelledImages
from learnkit.run import Row

VERSION = 2  # raise it by hand whenever the same run would give other results, or be stored under another key
FORMAT = int.from_bytes(b"lks1", "big")  # in the file's header, so that no file of another program is touched
TABLE = "CREATE TABLE runs (key TEXT, version INTEGER, rows TEXT, checksum INTEGER, PRIMARY KEY (key, version))"


class Store:
    """The runs stored in a file, each written completely or not at all.

    Parameters
    ----------
    path
        The file; created if it does not exist. A damaged one is renamed and replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If the file is a database that belongs to something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"There is no folder {path.parent} for {path.name}. Create it or give another path."
            )
        try:
            try:
                self._open()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._set_aside(error)
                self._open()
        except sqlite3.OperationalError as error:
            raise OSError(
                f"{path} cannot be written ({error}), so no run could be saved. Give a path in a folder of your own, "
                "on a disk with free space."
            ) from error

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def rows(self, key: str) -> list[Row]:
        return json.loads(self._texts[key])

    def keep(self, key: str, rows: list[Row]) -> None:
        """Write the rows of a run. When this returns, they are on disk."""
        text = json.dumps(rows)
        row = (key, VERSION, text, _checksum(key, text))
        try:
            with self._connection:
                self._connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise OSError(f"No more can be written to {self.path} ({error}).") from error
        self._texts[key] = text

    def close(self) -> None:
        self._connection.close()

    def _open(self) -> None:
        self._connection = sqlite3.connect(self.path, timeout=60)
        try:
            runs = self._read()
        except BaseException:
            self._connection.close()
            raise
        self._texts = {key: text for key, version, text in runs if version == VERSION}
        if others := sorted({version for _, version, _ in runs} - {VERSION}):
            warnings.warn(
                f"{self.path} holds {len(runs) - len(self._texts)} runs from version {others[-1]} of learnkit's "
                f"studies; this is version {VERSION}, whose results may differ. They stay in the file, unused; "
                "what you ask for is trained again.",
                stacklevel=4,
            )

    def _read(self) -> list[tuple[str, int, str]]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")  # fails now, and not after an hour of training, if the file cannot be written
        (found,) = execute("PRAGMA application_id").fetchone()
        if self.path.stat().st_size == 0:
            execute(f"PRAGMA application_id = {FORMAT}")
            execute(TABLE)
        elif found != FORMAT:
            raise ValueError(
                f"{self.path} is a database, but not one that this version of learnkit stores runs in. It is left "
                "unchanged; give another path."
            )
        self._connection.commit()
        (answer,) = execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        runs = []
        for key, version, text, checksum in execute("SELECT key, version, rows, checksum FROM runs"):
            if _checksum(key, text) != checksum:
                raise sqlite3.DatabaseError("the checksum of a run does not match")
            runs.append((key, version, text))
        return runs

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename a damaged file, and the journal that SQLite may have left with it."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.stem}.damaged-{number}{self.path.suffix}")).exists():
            number += 1
        os.rename(self.path, aside)
        journal = self.path.with_name(f"{self.path.name}-journal")
        if journal.exists():
            os.rename(journal, aside.with_name(f"{aside.name}-journal"))
        warnings.warn(
            f"{self.path} is damaged, or is not a file of stored runs ({error}). It has been renamed to {aside.name}, "
            "its content unchanged, and a new file takes its place.",
            stacklevel=4,
        )


def fingerprint_of(data: LabelledImages) -> str:
    """A hash of a data set: two sets that differ in one pixel have different ones, on whatever device they are."""
    digest = hashlib.sha256()
    for name, value in vars(data).items():
        if isinstance(value, Tensor):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:32]


def _checksum(key: str, text: str) -> int:
    return zlib.crc32(f"{key} {text}".encode())
