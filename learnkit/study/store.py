"""Finished trainings in one SQLite file, so that a study can go on where it was interrupted."""

import hashlib
import json
import os
import sqlite3
import warnings
import zlib
from pathlib import Path

from torch import Tensor

from learnkit.data import LabelledImages
from learnkit.study.run import Row

VERSION = 1  # to be raised by hand whenever a training of the same setting comes out with other figures
FORMAT = int.from_bytes(b"lks1", "big")  # stands in the file's header, so that no other program's file is touched
TABLE = "CREATE TABLE runs (key TEXT, version INTEGER, rows TEXT, checksum INTEGER, PRIMARY KEY (key, version))"


class Store:
    """The trainings that a file keeps, each written in one piece or not at all.

    Parameters
    ----------
    path
        The file; made if it is not there. One that is damaged is set aside under another name.

    Raises
    ------
    OSError
        If it cannot be written there.
    ValueError
        If it is a database of something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}. Make it, or name another.")
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
                f"{path} cannot be written ({error}), so that no training could be kept there. Give a path in a folder "
                "of your own, with room on its disk."
            ) from error

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def rows(self, key: str) -> list[Row]:
        return json.loads(self._texts[key])

    def keep(self, key: str, rows: list[Row]) -> None:
        """Write a training's rows. When this returns, they are on the disk."""
        text = json.dumps(rows)
        row = (key, VERSION, text, _checksum(key, text))
        try:
            with self._connection:
                self._connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise OSError(f"Nothing more can be written into {self.path} ({error}).") from error
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
                f"{self.path} holds {len(runs) - len(self._texts)} trainings of version {others[-1]} of learnkit's "
                f"studies, and this is version {VERSION}, which may give other figures. They stay there, and are not "
                "used: what is asked for is trained anew.",
                stacklevel=4,
            )

    def _read(self) -> list[tuple[str, int, str]]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")  # now, not after an hour's training, is the time to hear that it cannot be written
        (found,) = execute("PRAGMA application_id").fetchone()
        if self.path.stat().st_size == 0:
            execute(f"PRAGMA application_id = {FORMAT}")
            execute(TABLE)
        elif found != FORMAT:
            raise ValueError(
                f"{self.path} is a database, but not one in which this learnkit keeps trainings. It is left as it is; "
                "give another path."
            )
        self._connection.commit()
        (answer,) = execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        runs = []
        for key, version, text, checksum in execute("SELECT key, version, rows, checksum FROM runs"):
            if _checksum(key, text) != checksum:
                raise sqlite3.DatabaseError("a training does not have its checksum")
            runs.append((key, version, text))
        return runs

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move a damaged file, and with it the journal that SQLite may have left beside it, out of the way."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.stem}.damaged-{number}{self.path.suffix}")).exists():
            number += 1
        os.rename(self.path, aside)
        journal = self.path.with_name(f"{self.path.name}-journal")
        if journal.exists():
            os.rename(journal, aside.with_name(f"{aside.name}-journal"))
        warnings.warn(
            f"{self.path} is damaged, or is no file in which trainings are kept ({error}). It is now called "
            f"{aside.name} and otherwise as it was; a new file is begun in its place.",
            stacklevel=4,
        )


def fingerprint_of(data: LabelledImages) -> str:
    """Tells apart data sets that differ in a single pixel, wherever they lie."""
    digest = hashlib.sha256()
    for name, value in vars(data).items():
        if isinstance(value, Tensor):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.cpu().contiguous().numpy())
    return digest.hexdigest()[:32]


def _checksum(key: str, text: str) -> int:
    return zlib.crc32(f"{key} {text}".encode())
