"""Tests on a GPU, `make test-gpu`: skipped where there is none, and no part of `make test`."""

import pytest
import torch

GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch finds none here"),
    pytest.mark.filterwarnings("default"),  # another torch than the pinned one may warn
]
