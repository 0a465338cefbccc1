"""Every model, on moved drawings, resumes to the bit: running statistics of batch norm and all."""

import json
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

from quickdraw import engine
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.predictions import read_predictions
from quickdraw.weights_file import read_weights
from tests.support import faults
from tests.support.program import ROOT, call
from tests.support.resuming import ending, resume

RUN = (
    "data.classes=[cat,moon]",
    "data.limit_per_class=30",
    "data.batch_size=12",  # four steps an epoch, the last one of 6 drawings
    "data.augment=0.5",
    "trainer.epochs=2",
    "threads=1",
    "hydra.run.dir=run",
)
MODELS = [path.stem for path in sorted((ROOT / "conf" / "model").glob("*.yaml"))]
LARGE = {"small_resnet", "resnet18"}  # in bfloat16, which takes ten times as long where the processor has none
CASES = [
    *((model, "bfloat16") for model in MODELS if model not in LARGE),
    ("small_resnet", "float32"),
    *(pytest.param(model, "bfloat16", marks=pytest.mark.stress) for model in MODELS if model in LARGE),
]


@pytest.mark.parametrize(("model", "precision"), CASES)
def test_a_stopped_run_ends_with_the_same_bits_and_its_weights_say_what_it_said(
    model: str, precision: str, tmp_path: Path, drawings: Path
) -> None:
    command = (f"data.root={drawings}", *RUN, f"model={model}", f"trainer.precision={precision}")
    for name in ("undisturbed", "stopped"):
        (tmp_path / name).mkdir()
    outcome = call(tmp_path / "undisturbed", *command)
    assert (outcome.code, outcome.err) == (0, "")
    run = tmp_path / "stopped" / "run"
    assert call(run.parent, *command, setup=partial(faults.signals_in_training, signal.SIGTERM)).code == 143
    assert json.loads((run / "status.json").read_text())["step"] == 3
    outcome = resume(run)
    assert (outcome.code, outcome.err) == (0, "")
    assert ending(run) == ending(tmp_path / "undisturbed" / "run")

    description = json.loads((run / "weights/quickdraw_net.json").read_text())
    state_dict, _ = read_weights(run / "weights/quickdraw_net.pth", model=description["model"])
    net = instantiate(description["config"]["model"])(num_classes=len(description["classes"]))
    net.load_state_dict(state_dict)
    said = engine.predict(net, Bitmaps(drawings, description["classes"], 12, 30, cache=tmp_path).test)
    before = read_predictions(run / "predictions.npz")
    np.testing.assert_array_equal(said.predicted, before.predicted)
    np.testing.assert_allclose(said.confidence, before.confidence, rtol=1e-3)
