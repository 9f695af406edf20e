"""What all tests share: shapes and types in learnkit's signatures are checked while the tests run."""

from dataclasses import replace

import pytest
from hypothesis import settings
from jaxtyping import config, install_import_hook

# No test is decided by a clock, and none needs a folder that can be written to.
settings.register_profile("learnkit", deadline=None, database=None)
settings.load_profile("learnkit")

# From here on every call into learnkit is held against its signature, so that a shape there cannot lie.
install_import_hook("learnkit", "beartype.beartype")

from learnkit import threads  # noqa: E402
from learnkit.data import LabelledImages, load  # noqa: E402

threads.use_one()  # as in the notebooks: a loop written by hand then adds its numbers in the order that Training does


@pytest.fixture(scope="session")
def mnist() -> LabelledImages:
    """All of MNIST, once for all tests: not to be changed."""
    return load("mnist")


@pytest.fixture(scope="session")
def few_images(mnist: LabelledImages) -> LabelledImages:
    """A small cut of MNIST whose last batch of 100 is smaller than the others."""
    return replace(
        mnist,
        train_images=mnist.train_images[:430],
        train_labels=mnist.train_labels[:430],
        validation_images=mnist.train_images[1000:1150],
        validation_labels=mnist.train_labels[1000:1150],
        test_images=mnist.test_images[:250],
        test_labels=mnist.test_labels[:250],
    )


@pytest.fixture
def unchecked():
    """Bad input reaches learnkit's own checks, as it does for a learner, who runs without the checks of signatures."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
