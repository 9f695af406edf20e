"""What a GPU changes: parity with the CPU, speed beside PyTorch's own layers, the tests and the notebooks.

Run by ``python course.py bench gpu`` on a machine with a CUDA GPU; writes its report to benchmarks/gpu.md.
Times are taken by CUDA events after a warm-up, ways turn by turn; a row gives the median and its ratio to the base.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import nbformat
import torch
from nbformat import NotebookNode
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from learnkit import data, devices, labs
from learnkit.models import ElmanRNN, FullyConnected, MultiHeadAttention, TinyTransformer
from learnkit.training import Training
from tools.cell_outputs import code_cells, join_streams
from tools.compare_outputs import Tolerance, compare_outputs
from tools.execution import first_error, run_notebook

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "benchmarks" / "gpu.md"
ROUNDS, WARM_UP, STEPS = 15, 3, 50
SIZES = (784, 128, 256, 10)


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit(f"There is no CUDA GPU that torch can use here. {devices.why_no_gpu() or ''}")
    torch.backends.cuda.matmul.allow_tf32 = False
    lines = ["# On a GPU", "", *machine(), ""]
    for part in (parity, resumed, epochs, redraws, recurrent, attention, tests, notebooks):
        started = time.perf_counter()
        lines += [f"## {part.__doc__}", "", *part(), ""]
        print("\n".join(lines[-8:]), f"({part.__name__}: {time.perf_counter() - started:.0f} s)", flush=True)
        REPORT.write_text("\n".join(lines), encoding="utf-8")


def machine() -> list[str]:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20).stdout.strip() or "unknown"
    python = ".".join(map(str, sys.version_info[:3]))
    return [
        f"{torch.cuda.get_device_name()}, driver {driver}, PyTorch {torch.__version__}, cuDNN "
        f"{torch.backends.cudnn.version()}, Python {python}, float32 without TF32."
    ]


def parity() -> list[str]:
    """Each model on the GPU beside the same model on the CPU"""
    torch.manual_seed(0)
    images, sequences, tokens = torch.rand(200, 28, 28), torch.randn(32, 64, 64), torch.randint(10, (32, 8))
    models = {
        "FullyConnected (784, 128, 256, 10)": (FullyConnected(SIZES, "relu"), images),
        "ElmanRNN (28, 128, 10)": (ElmanRNN(28, 128, 10), images),
        "MultiHeadAttention (64, 4 heads)": (MultiHeadAttention(64, 4), sequences),
        "TinyTransformer (10 tokens, length 8)": (TinyTransformer(10, 8), tokens),
    }
    rows = []
    for name, (model, inputs) in models.items():
        results = []
        for device in ("cpu", "cuda"):
            model.to(device)
            output = first(model(inputs.to(device)))
            gradients = torch.autograd.grad(output.square().mean(), tuple(model.parameters()))
            results.append([tensor.detach().cpu() for tensor in (output, *gradients)])
        outputs, *others = [(a - b).abs().max().item() for a, b in zip(*results, strict=True)]
        rows.append(f"| {name} | {outputs:.1e} | {max(others):.1e} |")
    return ["| model | largest difference of outputs | of gradients |", "| --- | --- | --- |", *rows]


def resumed() -> list[str]:
    """A training saved after 100 of 200 steps and continued by another, beside one that ran through"""
    mnist, rows = data.load("mnist"), []
    for optimizer in ("sgd", "adam"):
        runs = [Training(FullyConnected(SIZES), mnist, optimizer=optimizer, device="cuda") for _ in range(3)]
        through, before, after = runs
        before.model.load_state_dict(through.model.state_dict())
        advance(through, 200)
        advance(before, 100)
        after.load_state_dict(before.state_dict())
        advance(after, 100)
        pairs = zip(through.model.parameters(), after.model.parameters(), strict=True)
        equal = all(torch.equal(a, b) for a, b in pairs)
        rows.append(f"- {optimizer}: the weights are {'equal, bit for bit' if equal else 'NOT equal'}.")
    return rows


def epochs() -> list[str]:
    """Milliseconds of an epoch of Day 1's net, 60,000 images"""
    mnist, lines = data.load("mnist").to("cuda"), []
    for batch_size in (200, 2_000):
        ways = {
            "learnkit's Training": Training(FullyConnected(SIZES), mnist, epochs=10**6, batch_size=batch_size),
            "a plain loop over shuffled slices": plain_loop(mnist, batch_size),
        }
        calls = {name: partial(advance, loop) for name, loop in ways.items()}
        scale = 60_000 / batch_size / STEPS
        lines += table(f"batches of {batch_size:,}", calls, "a plain loop over shuffled slices", scale)
    return lines


def plain_loop(mnist: data.LabelledImages, batch_size: int) -> Iterator[None]:
    net = FullyConnected(SIZES).to("cuda")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    while True:
        for batch in torch.randperm(60_000, device="cuda").split(batch_size):
            loss = cross_entropy(net(mnist.train_images[batch]), mnist.train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def advance(loop: Iterator[object], steps: int = STEPS) -> None:
    for _ in range(steps):
        next(loop)


def redraws() -> list[str]:
    """Steps a second in a TrainingLab with Day 1's net, with frames sent to a page and without"""
    lines = ["| batches of | with frames | without | ratio | frames a second |", "| --- | --- | --- | --- | --- |"]
    for batch_size in (200, 2_000):
        sent: list[float] = []
        watched, alone = (labs.TrainingLab(epochs=1_000, batch_size=batch_size, device="cuda") for _ in range(2))

        def draw(*_: object, lab: labs.TrainingLab = watched, sent: list[float] = sent) -> None:
            lab._link._drawn = lab._link._number
            sent.append(time.perf_counter())

        watched.send = draw
        alone._runner._tick = lambda: None
        speeds = [[steps_a_second(lab) for lab in (watched, alone)] for _ in range(5)]
        ratio = median(one / other for one, other in speeds)
        one, other = (median(speed) for speed in zip(*speeds, strict=True))
        lines.append(f"| {batch_size:,} | {one:,.0f} | {other:,.0f} | {ratio:.2f} | {len(sent) / (5 * 2.5):.0f} |")
    return lines


def steps_a_second(lab: labs.TrainingLab) -> float:
    lab.train()
    time.sleep(0.5)
    step, start = lab.training.step, time.perf_counter()
    time.sleep(2)
    speed = (lab.training.step - step) / (time.perf_counter() - start)
    lab.pause()
    lab.wait()
    return speed


def recurrent() -> list[str]:
    """Milliseconds of a recurrent net over 28 rows, 128 hidden, forward and backward"""
    lines = []
    for batch in (200, 2_000):
        theirs = nn.RNN(28, 128, nonlinearity="relu", batch_first=True).cuda()
        ours = ElmanRNN(28, 128, 10).cuda()
        ours.load_from_torch(theirs)
        images = torch.rand(batch, 28, 28, device="cuda")
        ways = {
            "learnkit's ElmanRNN": lambda: ours.last_state(images),  # noqa: B023
            "torch.nn.RNN (cuDNN)": lambda: theirs(images)[1],  # noqa: B023
        }
        lines += table(
            f"batch {batch:,}", {n: partial(backward, way) for n, way in ways.items()}, "torch.nn.RNN (cuDNN)"
        )
    return lines


def attention() -> list[str]:
    """Milliseconds of self-attention, forward and backward"""
    lines = []
    for embed_dim, heads, batch, length in ((64, 4, 32, 64), (256, 8, 8, 256), (512, 8, 32, 512)):
        theirs = nn.MultiheadAttention(embed_dim, heads, batch_first=True).cuda()
        ours = MultiHeadAttention(embed_dim, heads).cuda()
        ours.load_from_torch(theirs)
        x = torch.randn(batch, length, embed_dim, device="cuda")
        ways = {
            "learnkit's MultiHeadAttention": lambda: ours(x, x, x)[0],  # noqa: B023
            "the same, without weights": lambda: ours(x, x, x, need_weights=False)[0],  # noqa: B023
            "torch.nn.MultiheadAttention": lambda: theirs(x, x, x, average_attn_weights=False)[0],  # noqa: B023
            "the same of torch, without weights": lambda: theirs(x, x, x, need_weights=False)[0],  # noqa: B023
        }
        title = f"embed {embed_dim}, {heads} heads, batch {batch}, length {length}"
        lines += table(title, {n: partial(backward, way) for n, way in ways.items()}, "torch.nn.MultiheadAttention")
    return lines


def backward(way: Callable[[], Tensor]) -> None:
    way().sum().backward()


def first(output: Tensor | tuple) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def table(title: str, ways: Mapping[str, Callable[[], object]], base: str, scale: float = 1.0) -> list[str]:
    """A Markdown table: each way's median in milliseconds, and the median over the rounds of its ratio to the base."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-WARM_UP, ROUNDS):
        for name in random.sample(list(ways), len(ways)):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            ways[name]()
            end.record()
            torch.cuda.synchronize()
            if turn >= 0:
                taken[name].append(start.elapsed_time(end) * scale)
    rows = [
        f"| {name} | {median(values):.2f} | "
        f"{median(value / other for value, other in zip(values, taken[base], strict=True)):.2f} |"
        for name, values in taken.items()
    ]
    return [f"| {title} | ms | ratio |", "| --- | --- | --- |", *rows, ""]


def tests() -> list[str]:
    """The fast tests, without those that need developers' tools"""
    options = "tests --ignore=tests/browser --ignore=tests/test_layout.py -q --tb=short -p no:cacheprovider -n 12"
    command = [sys.executable, "-m", "pytest", *options.split(), "-m", "not slow"]
    plain = {**os.environ, "PYTEST_ADDOPTS": "-p no:benchmark"}  # a plugin of the machine that warns beside xdist
    answer = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    print(answer.stdout[-9_000:], answer.stderr[-2_000:])
    summary = [line for line in answer.stdout.splitlines() if re.search(r"\d+ passed", line)]
    failed = [f"- {line[:200]}" for line in answer.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return [f"`{summary[-1].strip('= ')}`" if summary else "They could not be run.", *failed]


def notebooks() -> list[str]:
    """The notebooks, run on the GPU and again on the CPU of the same machine, side by side"""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    with ThreadPoolExecutor(2 * len(paths)) as pool:
        on_gpu, on_cpu = [
            [pool.submit(executed, path, variables) for path in paths]
            for variables in ({}, {"CUDA_VISIBLE_DEVICES": ""})
        ]
    lines = ["Listed are the cells whose printed outputs differ by more than their tags allow.", ""]
    for path, one, other in zip(paths, on_gpu, on_cpu, strict=True):
        (gpu, gpu_seconds), (cpu, cpu_seconds) = one.result(), other.result()
        seconds = f"{gpu_seconds:.0f} s on the GPU, {cpu_seconds:.0f} s on the CPU"
        errors = [
            f" On the {name}: {first_error(run)}." for name, run in (("GPU", gpu), ("CPU", cpu)) if first_error(run)
        ]
        lines += [f"- {path.name}: {seconds}.{''.join(errors)}", *differing_cells(cpu, gpu)]
    return lines


def executed(path: Path, variables: Mapping[str, str]) -> tuple[NotebookNode, float]:
    notebook, started = nbformat.read(path, as_version=4), time.perf_counter()
    run_notebook(notebook, path.parent, timeout=200, variables=variables)
    return notebook, time.perf_counter() - started


def differing_cells(one: NotebookNode, other: NotebookNode) -> Iterator[str]:
    for number, (here, there) in enumerate(zip(code_cells(one), code_cells(other), strict=True)):
        tolerance = Tolerance.from_tags(here.metadata.get("tags", []))
        differences = compare_outputs(join_streams(here.outputs), join_streams(there.outputs), tolerance, None)
        if differences:
            yield f"  - cell {number}, `{here.id}`: " + " ".join(differences)[:300].replace("\n", " ")


if __name__ == "__main__":
    main()
