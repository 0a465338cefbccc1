"""The plain program that ours is measured against."""

import torch
from torch import Tensor, nn

from benchmarks import plain_loop


class OnTheHost:
    """A tensor that is to be moved before it is used; remembers where."""

    def __init__(self, tensor: Tensor, moved: list[str]) -> None:
        self.tensor = tensor
        self.moved = moved

    def to(self, device: str) -> Tensor:
        self.moved.append(device)
        return self.tensor


def test_evaluation_moves_images_and_labels_to_the_device() -> None:
    moved: list[str] = []
    images, labels = torch.eye(4), torch.tensor([0, 1, 2, 0])
    loader = [(OnTheHost(images, moved), OnTheHost(labels, moved))]
    assert plain_loop.evaluate(nn.Identity(), loader, "cuda") == 0.75  # type: ignore[arg-type]
    assert moved == ["cuda", "cuda"]
