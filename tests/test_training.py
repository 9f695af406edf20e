import math
import re
import threading
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from learnkit import training as training_module
from learnkit.models import FullyConnected
from learnkit.training import Training, TrainingDiverged


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def run(data, *, seed=0, activation="relu", **settings) -> Training:
    """A small training, run to its end."""
    training = Training(
        FullyConnected((784, 20, 10), activation, seed=seed), data, seed=seed, batch_size=100, **settings
    )
    for _ in training:
        pass
    return training


@pytest.mark.parametrize(("optimizer", "torchs"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_it_equals_the_plain_loop_weight_for_weight(few_images, optimizer, torchs):
    net = FullyConnected((784, 20, 10), "relu", seed=3)
    by_hand = torchs(net.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(3)
    losses = []
    for _ in range(3):
        order = torch.randperm(430, generator=generator)
        for batch in order.split(100):
            loss = cross_entropy(net(few_images.train_images[batch]), few_images.train_labels[batch])
            by_hand.zero_grad()
            loss.backward()
            by_hand.step()
            losses.append(loss.item())
    model = FullyConnected((784, 20, 10), "relu", seed=3)
    training = Training(
        model, few_images, epochs=3, batch_size=100, optimizer=optimizer, learning_rate=0.02, seed=3, device="cpu"
    )
    assert [progress.loss.item() for progress in training] == losses
    assert torch.equal(weights(model), weights(net))


def test_whoever_iterates_can_change_the_learning_rate_or_the_whole_optimizer(few_images):
    by_hand, falling, other = (
        Training(FullyConnected((784, 10)), few_images, epochs=2, batch_size=100, learning_rate=0.1) for _ in range(3)
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(falling.optimizer, len(falling))
    for step, _ in enumerate(falling, start=1):
        next(by_hand)
        schedule.step()
        by_hand.optimizer.param_groups[0]["lr"] = 0.05 * (1 + math.cos(math.pi * step / len(falling)))
    torch.testing.assert_close(weights(falling.model), weights(by_hand.model))
    assert falling.optimizer.param_groups[0]["lr"] == pytest.approx(0)
    next(other)
    before = weights(other.model).clone()
    other.optimizer = torch.optim.SGD(other.model.parameters(), lr=0.0)
    list(other)
    assert torch.equal(weights(other.model), before)


def test_every_step_reports_its_epoch_and_number_and_a_smaller_last_batch_counts_too(few_images):
    training = Training(FullyConnected((784, 10)), few_images, epochs=2, batch_size=100)
    assert training.steps_per_epoch == 5
    assert len(training) == 10
    progress = list(training)
    assert [(epoch, step) for epoch, step, _ in progress] == [(1 + i // 5, 1 + i) for i in range(10)]
    assert training.step == 10
    assert all(loss.ndim == 0 and not loss.requires_grad for _, _, loss in progress)
    assert next(training, None) is None


def test_an_untrained_net_has_a_loss_near_the_logarithm_of_ten(few_images):
    _, _, loss = next(Training(FullyConnected((784, 128, 256, 10)), few_images))
    assert loss.item() == pytest.approx(math.log(10), abs=0.1)


def test_every_epoch_has_its_own_order_and_sees_each_image_once(few_images):
    training = Training(FullyConnected((784, 10)), few_images, epochs=3, batch_size=100)
    orders = []
    for _, step, _ in training:
        if step % 5 == 0:
            orders.append(training._order.clone())
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])
    for order in orders:
        assert torch.equal(order.cpu().sort().values, torch.arange(430))


def test_the_same_seed_gives_the_same_weights_and_another_seed_gives_others(few_images):
    same, again, other = (weights(run(few_images, epochs=2, seed=seed).model) for seed in (1, 1, 2))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_the_global_random_state_is_neither_read_nor_changed(few_images):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = weights(run(few_images, epochs=2).model)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(weights(run(few_images, epochs=2).model), first)


def test_a_training_that_is_paused_and_continued_equals_one_that_is_not(few_images):
    whole = run(few_images, epochs=3)
    paused = Training(FullyConnected((784, 20, 10), "relu"), few_images, batch_size=100, epochs=3)
    for _, step, _ in paused:
        if step == 7:
            break
    assert paused.step == 7
    assert [step for _, step, _ in paused] == list(range(8, 16))
    assert torch.equal(weights(paused.model), weights(whole.model))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("cut", [0, 3, 5, 8, 15])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(few_images, tmp_path, optimizer, cut):
    settings = {"optimizer": optimizer, "batch_size": 100, "epochs": 3}
    whole = run(few_images, epochs=3, optimizer=optimizer)
    first = Training(FullyConnected((784, 20, 10), "relu"), few_images, **settings)
    for _ in islice(first, cut):
        pass
    first.save(tmp_path / "checkpoint.pt")
    second = Training(FullyConnected((784, 20, 10), "relu", seed=99), few_images, seed=99, **settings)
    second.load(tmp_path / "checkpoint.pt")
    assert second.step == cut
    for _ in second:
        pass
    assert torch.equal(weights(second.model), weights(whole.model))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_state_is_a_copy_that_later_steps_do_not_change(few_images):
    training = Training(FullyConnected((784, 20, 10)), few_images, optimizer="adam", batch_size=100)
    next(training)
    state, before = training.state_dict(), weights(training.model).clone()
    next(training)
    training.load_state_dict(state)
    assert training.step == 1
    assert torch.equal(weights(training.model), before)
    next(training)
    assert state["step"] == 1
    assert state["optimizer"]["state"][0]["step"].item() == 1


def test_two_trainings_in_two_threads_give_the_same_weights_as_each_alone(few_images):
    alone = [weights(run(few_images, epochs=8, seed=seed).model) for seed in (1, 2)]
    together = {}
    threads = [
        threading.Thread(target=lambda seed=seed: together.update({seed: run(few_images, epochs=8, seed=seed)}))
        for seed in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        assert torch.equal(weights(together[seed].model), alone[seed - 1])


def test_an_evaluation_is_of_the_requested_split(few_images, monkeypatch):
    monkeypatch.setattr(training_module, "EVAL_BATCH_SIZE", 70)
    training = run(few_images, epochs=20, optimizer="adam")
    for split in ("train", "validation", "test"):
        images, labels = training.data.split(split)
        logits = training.model(images)
        evaluation = training.evaluate(split)
        assert torch.equal(evaluation.predictions, logits.argmax(1))
        assert evaluation.loss == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-5)
        assert evaluation.accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item())
        assert evaluation.confusion_matrix.sum(1).tolist() == labels.bincount(minlength=10).tolist()
    assert training.evaluate("train").accuracy > training.evaluate("test").accuracy


def test_evaluations_can_be_compared_and_hashed_and_are_equal_only_to_themselves(few_images):
    training = Training(FullyConnected((784, 10)), few_images)
    evaluation, again = training.evaluate(), training.evaluate()
    assert evaluation == evaluation
    assert evaluation != again
    assert len({evaluation, again}) == 2


def test_dropout_is_off_during_an_evaluation_and_on_again_afterwards(few_images):
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))
    training = Training(model, few_images)
    assert training.evaluate().loss == training.evaluate().loss
    assert all(module.training for module in model.modules())


def test_evaluating_an_empty_split_raises_an_error_that_says_how_to_hold_images_out(mnist):
    training = Training(FullyConnected((784, 10)), mnist)
    with pytest.raises(ValueError, match=r"no validation images.*load\(..., validation=10_000\)"):
        training.evaluate("validation")
    with pytest.raises(ValueError, match=r"no split of the data called 'tests'\. Did you mean 'test'"):
        training.evaluate("tests")


class Reads(TorchDispatchMode):
    """Counts what makes the CPU wait for the device: numbers read from it, and tensors copied to another device."""

    def __init__(self, allowed=()):
        super().__init__()
        self.count = 0
        self.allowed = {tensor.data_ptr() for tensor in allowed}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._local_scalar_dense.default:
            self.count += args[0].data_ptr() not in self.allowed
        devices = {leaf.device for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        self.count += len(devices) > 1
        return result


def test_the_counter_of_reads_counts_reads_and_copies():
    with Reads() as reads:
        torch.ones(3).sum().item()
        torch.ones(3).to("meta")
    assert reads.count == 2


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_between_two_checks_nothing_is_read_back_from_the_device(few_images, optimizer):
    training = Training(FullyConnected((784, 20, 10), "relu"), few_images, batch_size=2, optimizer=optimizer)
    next(training)
    # Adam counts its steps in tensors that are on the CPU whatever the device, so reading them does not wait.
    counters = [state["step"] for state in training.optimizer.state.values() if "step" in state]
    with Reads(allowed=counters) as reads:
        for _ in islice(training, 48):
            pass
        assert reads.count == 0
        next(training)
        assert reads.count == 1  # the check, after 50 steps: one number
        for _ in islice(training, 49):
            pass
        assert reads.count == 1


class AllOn(TorchDispatchMode):
    """Asserts that all operands of all operations are on one kind of device; torch accepts a CPU index."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == self.kind, f"{function} had {leaf.device}"
        self.operations += 1
        return result


def test_between_two_checks_every_operand_is_on_the_device(few_images):
    training = Training(FullyConnected((784, 20, 10), "relu"), few_images, batch_size=5, device="meta")
    with AllOn("meta") as mode:
        devices = {loss.device.type for _, _, loss in islice(training, 49)}
    assert devices == {"meta"}
    assert training.step == 49
    assert mode.operations > 49 * 10


def test_the_check_of_operands_notices_an_index_on_the_cpu():
    images, chosen = torch.rand(10, 4, device="meta"), torch.arange(3)
    with pytest.raises(AssertionError, match=r"aten\.index\.Tensor had cpu"), AllOn("meta"):
        images[chosen]


@pytest.mark.parametrize("steps_per_epoch", [5, 215])
def test_an_exploding_loss_stops_the_training_and_restores_finite_weights(few_images, steps_per_epoch):
    model = FullyConnected((784, 20, 10))
    training = Training(model, few_images, batch_size=math.ceil(430 / steps_per_epoch), learning_rate=1e4)
    with pytest.raises(TrainingDiverged, match=r"The loss became .*The learning rate is 10000: try 1000") as caught:
        list(training)
    assert weights(model).isfinite().all()
    step, epoch, kept = map(int, re.search(r"step (\d+) \(epoch (\d+)\).* of step (\d+)", str(caught.value)).groups())
    # The step in the message is the first whose loss is not finite.
    twin = Training(FullyConnected((784, 20, 10)), few_images, batch_size=training.batch_size, learning_rate=1e4)
    losses = [loss.item() for _, _, loss in islice(twin, step - 1)]
    assert all(map(math.isfinite, losses))
    assert not math.isfinite(next(twin).loss)
    assert epoch == (step - 1) // training.steps_per_epoch + 1
    assert kept == max(0, *range(0, step, min(50, training.steps_per_epoch)))


def test_the_restored_weights_are_those_of_the_last_check(few_images):
    model = FullyConnected((784, 20, 10))
    training = Training(model, replace(few_images, train_images=few_images.train_images.clone()), batch_size=2)
    for _ in islice(training, 100):
        pass
    kept = weights(model).clone()
    for _ in islice(training, 20):
        pass
    training.data.train_images[training._order[260:270]] = torch.nan
    with pytest.raises(TrainingDiverged, match=r"The loss became nan at step 131 .*reset to the weights of step 100,"):
        list(training)
    assert torch.equal(weights(model), kept)


def test_weights_that_become_infinite_while_the_loss_is_finite_are_noticed(few_images):
    training = Training(FullyConnected((784, 10)), few_images, batch_size=2)
    for _ in islice(training, 49):
        pass
    with torch.no_grad():
        training.model.layers[0].bias[0] = -torch.inf  # a class that is never predicted: the loss stays finite
    assert (training.data.train_labels[training._order[98:100]] != 0).all()
    with pytest.raises(TrainingDiverged, match="A weight became NaN or infinite at step 50"):
        next(training)
    assert weights(training.model).isfinite().all()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected a whole number, 1 or more"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"learning_rate": 0}, "learning_rate=0; expected a number above 0"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"learning_rate": "fast"}, "learning_rate='fast'"),
        ({"optimizer": "adm"}, "no optimizer called 'adm'. Did you mean 'adam'.*'sgd', 'adam', 'adamw'"),
        ({"device": "gpu"}, "no device called 'gpu'"),
    ],
)
def test_invalid_settings_raise_an_error(few_images, settings, message):
    with pytest.raises(ValueError, match=message):
        Training(FullyConnected((784, 10)), few_images, **settings)


def test_a_batch_larger_than_the_data_is_one_batch(few_images):
    training = Training(FullyConnected((784, 10)), few_images, batch_size=1_000_000, epochs=2)
    assert [step for _, step, _ in training] == [1, 2]


def test_a_net_that_does_not_fit_the_data_raises_an_error_before_the_first_step(few_images):
    with pytest.raises(ValueError, match="images of 784 pixels each; the first layer of this net expects 100"):
        Training(FullyConnected((100, 10)), few_images)
    with pytest.raises(ValueError, match=r"labels go from 0 to 9, but the model has 7 outputs.*Give its last layer 10"):
        Training(FullyConnected((784, 7)), few_images)
    shifted = replace(few_images, train_labels=few_images.train_labels - 1)
    with pytest.raises(ValueError, match="labels go from -1 to 8"):
        Training(FullyConnected((784, 10)), shifted)
    with pytest.raises(ValueError, match=r"returns \(1, 28, 28\) for one image; expected \(1, classes\)"):
        Training(nn.Identity(), few_images)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU that torch can use")
def test_requesting_a_missing_gpu_raises_an_error_that_says_why_it_is_missing(few_images):
    with pytest.raises(RuntimeError, match=r"The device 'cuda' was requested but cannot be used\. .*GPU"):
        Training(FullyConnected((784, 10)), few_images, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_the_losses_on_a_gpu_are_those_on_the_cpu(few_images):
    on_cpu, on_gpu = (
        [loss.item() for _, _, loss in Training(FullyConnected((784, 20, 10)), few_images, device=device, epochs=3)]
        for device in ("cpu", "cuda")
    )
    assert on_gpu == pytest.approx(on_cpu, rel=1e-3)


def a_training(data, sizes=(784, 20, 10), net_seed=0, **settings) -> Training:
    training = Training(FullyConnected(sizes, seed=net_seed), data, **{"batch_size": 100, **settings})
    next(training)
    return training


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda data: a_training(data, (784, 30, 10)).state_dict(), "of another net, which has .*weight 30 × 784"),
        (lambda data: a_training(data, batch_size=50).state_dict(), "made with batch_size = 50, but this .* 100"),
        (lambda data: a_training(data, optimizer="adam").state_dict(), "made with optimizer = 'adam'"),
        (
            lambda data: FullyConnected((784, 20, 10)).state_dict(),
            "a dict with layers.0.weight.*not the state of a training",
        ),
        (lambda data: [1, 2], "It is list"),
        (lambda data: {**a_training(data, net_seed=5).state_dict(), "step": "five"}, "Its step is 'five'"),
        (
            lambda data: {**a_training(data, net_seed=5).state_dict(), "generator": torch.zeros(3)},
            "cannot be loaded here",
        ),
        (lambda data: {**a_training(data, net_seed=5).state_dict(), "optimizer": {}}, "cannot be loaded here"),
        (lambda data: {**a_training(data, net_seed=5).state_dict(), "model": 7}, "cannot be loaded here"),
    ],
)
def test_a_state_that_does_not_fit_raises_an_error_and_changes_nothing(few_images, state, message):
    training, twin = a_training(few_images), a_training(few_images)
    with pytest.raises(ValueError, match=message):
        training.load_state_dict(state(few_images))
    assert training.step == 1
    assert [loss.item() for _, _, loss in islice(training, 9)] == [loss.item() for _, _, loss in islice(twin, 9)]


def test_a_file_that_is_truncated_or_not_a_checkpoint_raises_an_error(few_images, tmp_path):
    training, path = a_training(few_images), tmp_path / "checkpoint.pt"
    training.save(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-1], b"", b"a love letter"):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"checkpoint.pt \({len(content):,} bytes\) is not a checkpoint or is truncated"
        ):
            training.load(path)
    with pytest.raises(FileNotFoundError):
        training.load(tmp_path / "nowhere.pt")


class RunsCode:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_file_that_would_run_code_is_not_loaded(few_images, tmp_path, capsys):
    torch.save({"model": RunsCode()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        a_training(few_images).load(tmp_path / "checkpoint.pt")
    assert "must not run" not in capsys.readouterr().out
