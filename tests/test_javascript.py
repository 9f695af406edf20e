"""The labs' JavaScript, without a browser: a linter, tests of its own, and its numbers held against PyTorch's."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from learnkit.cli.process import is_ci
from learnkit.models.attention import causal_mask, scaled_dot_product_attention

ROOT = Path(__file__).parent.parent
BIOME = ROOT / "node_modules" / "@biomejs" / "biome" / "bin" / "biome"


def node(*arguments: str | Path, stdin: str = "") -> str:
    """Run Node.js in the repository's root, and return what it prints; if it fails, that is the test's failure."""
    program = shutil.which("node")
    if program is None:
        skip_unless_ci("needs Node.js: https://nodejs.org")
    command = [program, *map(str, arguments)]
    answer = subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def skip_unless_ci(reason: str) -> None:
    if is_ci():
        pytest.fail(f"In CI no check may be left out, and this one {reason}")
    pytest.skip(reason)


def test_the_linter_finds_nothing():
    if not BIOME.exists():
        skip_unless_ci("needs the linter: npm ci --ignore-scripts")
    assert node(BIOME, "lint", "--error-on-warnings", "--reporter=github") == ""


def test_the_tests_in_javascript_pass():
    paths = sorted((ROOT / "tests" / "js").glob("*.test.js"))
    assert paths
    assert "# fail 0\n" in node("--test", "--test-reporter=tap", *paths)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("head", [0, 1])
def test_a_head_in_the_browser_computes_what_it_computes_in_pytorch(head, is_causal):
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 2, 5, 4, generator=generator, dtype=torch.float64)  # head, word, feature
    value = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    names = {"query": query, "key": key, "value": value}
    words = {name: tensor.transpose(0, 1).flatten(1).tolist() for name, tensor in names.items()}
    settings = {"heads": 2, "divisor": 2, "causal": is_causal}
    program = """
        import { readFileSync } from "node:fs";
        import { attend } from "./learnkit/labs/attention/attend.js";
        console.log(JSON.stringify(attend(...JSON.parse(readFileSync(0, "utf8")))));
    """
    found = json.loads(node("--input-type=module", "--eval", program, stdin=json.dumps([words, head, settings])))

    mask = causal_mask(5) if is_causal else None
    output, weights = scaled_dot_product_attention(query[head], key[head], value[head], mask)
    torch.testing.assert_close(torch.tensor(found["weights"], dtype=torch.float64), weights)
    torch.testing.assert_close(torch.tensor(found["output"], dtype=torch.float64), output)
