"""MNIST and its relatives as tensors: the one way in for images and their labels."""

from learnkit.data.idx import read_idx
from learnkit.data.labelled_images import LabelledImages
from learnkit.data.loading import load
from learnkit.data.sources import PACKAGED, SOURCES, Source

__all__ = ["PACKAGED", "SOURCES", "LabelledImages", "Source", "load", "read_idx"]
