"""The number of threads follows the size of the work alone, and whoever sets it is obeyed."""

import threading

import pytest
import torch
from torch import nn

from learnkit import threads
from learnkit.models import FullyConnected
from learnkit.training import Training

ALL = 3  # threads that torch takes by itself, in these tests


@pytest.fixture
def fresh(monkeypatch):
    """As in a new process in which nobody has set anything, whatever the tests are run with."""
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "_ALL", ALL)
    monkeypatch.setattr(threads, "_defaults", {ALL})
    monkeypatch.setattr(threads, "_SET_OUTSIDE", False)
    torch.set_num_threads(ALL)
    yield
    torch.set_num_threads(before)


def small() -> nn.Module:
    return FullyConnected((784, 128, 256, 10))


def large() -> nn.Module:
    """A hundred times as large, and without its memory."""
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(784, 4096), nn.Linear(4096, 2560))


def test_a_small_net_gets_one_thread_and_a_hundred_times_larger_one_gets_all(fresh):
    assert threads.number_for(small(), 200) == 1
    assert threads.number_for(large(), 200) == ALL
    assert threads.number_for(small(), 60_000) == ALL


def test_the_load_of_the_machine_is_not_asked(fresh, monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: pytest.fail("asked for the load"), raising=False)  # not on Windows
    assert [threads.number_for(small(), 200) for _ in range(3)] == [1, 1, 1]


def test_a_notebook_that_asks_for_one_thread_computes_with_one_and_a_large_net_is_still_trained_with_all(fresh):
    threads.use_one()
    assert torch.get_num_threads() == 1
    assert threads.number_for(small(), 200) == 1
    assert threads.number_for(large(), 200) == ALL


def test_a_number_set_by_the_user_is_kept(fresh):
    torch.set_num_threads(2)
    threads.use_one()
    assert torch.get_num_threads() == 2
    assert threads.number_for(small(), 200) == threads.number_for(large(), 200) == 2


def test_a_number_set_by_the_environment_is_kept(fresh, monkeypatch):
    monkeypatch.setattr(threads, "_SET_OUTSIDE", True)
    threads.use_one()
    assert torch.get_num_threads() == ALL
    assert threads.number_for(small(), 200) == ALL


def test_a_training_computes_with_its_number_and_leaves_the_number_as_it_was(fresh, few_images):
    seen = []

    class Watched(FullyConnected):
        def forward(self, images):
            seen.append(torch.get_num_threads())
            return super().forward(images)

    training = Training(Watched((784, 10)), few_images, epochs=1, device="cpu")
    seen.clear()
    for _ in training:
        assert torch.get_num_threads() == ALL
    training.evaluate()
    assert set(seen) == {1}
    assert Training(small(), few_images, threads=2).threads == 2
    with pytest.raises(ValueError, match="threads is 0; expected a whole number, 1 or more"):
        Training(small(), few_images, threads=0)


def test_blocks_in_several_threads_of_python_do_not_disturb_each_other(fresh):
    entered, leave, after = threading.Event(), threading.Event(), []

    def hold():
        with threads.using(1):
            entered.set()
            leave.wait()
            after.append(torch.get_num_threads())

    other = threading.Thread(target=hold)
    with threads.using(2):
        other.start()
        entered.wait()
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == ALL
    leave.set()
    other.join()
    assert after == [1]
    assert torch.get_num_threads() == ALL


def test_a_thread_that_begins_within_a_block_of_another_chooses_by_size_all_the_same(fresh):
    numbers = []
    with threads.using(7):
        other = threading.Thread(target=lambda: numbers.append(threads.number_for(large(), 200)))
        other.start()
        other.join()
    assert numbers == [ALL]
    torch.set_num_threads(7)  # the same number, now the user's
    assert threads.number_for(large(), 200) == 7
