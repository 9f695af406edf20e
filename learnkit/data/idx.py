"""The idx file format, simple enough to be read here in plain sight; Day 1 takes a file apart byte by byte."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

UNSIGNED_BYTE = 0x08  # the only one of idx's number types that these data sets use


def read_idx(path: str | Path) -> UInt8[Tensor, "..."]:
    """Read an idx file of bytes: a header with a few numbers, then the data.

    The header is two zero bytes, a byte for the number type (8: unsigned byte), a byte for the number of axes, and
    then four bytes, big-endian, for the length of each axis. The data follow in row-major order: an image's first row
    from left to right, then its second.

    Parameters
    ----------
    path
        The file. If its name ends in ``.gz``, it is decompressed.

    Returns
    -------
    Tensor
        Of the shape given in the header.

    Raises
    ------
    ValueError
        If the file is truncated, corrupt, or not an idx file of bytes.

    References
    ----------
    The format is described on the page of the MNIST database, http://yann.lecun.com/exdb/mnist/.
    """
    path = Path(path)
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise damaged(path, f"it cannot be decompressed ({error})") from error
    if len(content) < 4:
        raise damaged(path, f"it has {len(content)} bytes, fewer than the four that every idx file starts with")
    zeros, kind, axes = struct.unpack_from(">HBB", content)
    if zeros != 0 or kind != UNSIGNED_BYTE or not 1 <= axes <= 3:
        raise damaged(
            path,
            f"it starts with the bytes {content[:4].hex(' ')}; an idx file of images starts with 00 00 08 03, one of "
            "labels with 00 00 08 01",
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise damaged(path, f"it ends within its header, after {len(content)} of {start} bytes")
    shape = struct.unpack_from(f">{axes}I", content, offset=4)
    size, expected = len(content) - start, math.prod(shape)
    if size != expected:
        raise damaged(path, f"its header promises {' × '.join(map(str, shape))} = {expected} bytes, but {size} follow")
    if expected == 0:
        raise damaged(path, f"its header gives the shape {shape}, so it holds no data")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(shape)


def damaged(path: Path, reason: str, remedy: str = "Replace it with an intact copy.") -> ValueError:
    """The error for a file that is not what it should be, to be raised by the caller."""
    return ValueError(f"{path} is damaged or is not the expected file: {reason}. {remedy}")
