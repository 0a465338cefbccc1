"""All lanes of a pack as stacked tensors, and the step that learns from a batch of each."""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from quickdraw import per_example
from quickdraw.data.batches import Batches
from quickdraw.data.resident import in_large_batches
from quickdraw.lanes.networks import Networks
from quickdraw.lanes.optimizers import RULES
from quickdraw.predictions import Predictions
from quickdraw.state import OF_THIS_EPOCH, State

ROUND = 16  # a row is a multiple of 64 bytes long: so each lane's numbers lie alike in memory


class Stack:
    """The weights of all lanes and what their optimizers keep, float [W, 1 + K, P], a row all parameters of a lane.

    A training in a lane has views of its row: its network, its optimizer and the sums of its State are ordinary ones.
    `losses`, `correct` and `grad_norms` are [steps, W].
    """

    def __init__(self, width: int, state: State, precision: str) -> None:
        net, parameters = state.net, dict(state.net.named_parameters())
        some = next(net.parameters())
        self.width = width
        self.precision = precision
        self.device = some.device
        self.rule = RULES[type(state.optimizer)]
        self.networks = Networks(net, width)
        torch.backends.cudnn.deterministic = True  # an algorithm that adds in any order has other bits each time

        # One row a lane, and in it one part a parameter.
        self.shapes = {name: parameter.shape for name, parameter in parameters.items()}
        size = sum(parameter.numel() for parameter in parameters.values())
        self.padding = torch.zeros((width, -size % ROUND), dtype=some.dtype, device=self.device)
        rows = (width, 1 + len(self.rule.moments), size + self.padding.shape[1])
        self.numbers = torch.zeros(rows, dtype=some.dtype, device=self.device)
        self.weights, *self.moments = self.numbers.unbind(dim=1)
        self.step_counts = torch.zeros((width, len(parameters)), device=self.device)  # an optimizer has one a parameter
        self.leaves = {name: part.detach().requires_grad_() for name, part in self.parts(self.weights)}

        # What State sums up.
        self.losses = torch.zeros((state.steps, width), device=self.device)
        self.correct = torch.zeros((state.steps, width), dtype=torch.int64, device=self.device)
        self.grad_norms = torch.zeros((state.steps, width), device=self.device)
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)  # the step, as a captured one counts it

    def parts(self, rows: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The parts of rows [..., P] by parameter, each a view [..., *shape]."""
        start = 0
        for name, shape in self.shapes.items():
            end = start + math.prod(shape)
            yield name, rows[..., start:end].view(*rows.shape[:-1], *shape)
            start = end

    @torch.no_grad()
    def take(self, lane: int, state: State) -> None:
        """Copy a training into a lane; its tensors are views of that from here on."""
        self.numbers[lane] = 0
        self.step_counts[lane] = 0
        kept = self.rule.kept(state.optimizer.param_groups[0])
        parameters = dict(state.net.named_parameters())

        # What the optimizer keeps of each parameter, then the parameter itself.
        own: dict[str, dict[str, Tensor]] = {}
        for name, count in zip(parameters, self.step_counts[lane], strict=True):
            own[name] = {"step": count}
        for moment, rows in zip(self.rule.moments, self.moments, strict=True):
            for name, part in self.parts(rows[lane]):
                own[name][moment] = part
        for name, part in self.parts(self.weights[lane]):
            values = state.optimizer.state[parameters[name]]
            for key in kept:
                if key in values:
                    own[name][key].copy_(values[key])
                values[key] = own[name][key]
            part.copy_(parameters[name])
            parameters[name].data = part
        self.networks.take(lane, state.net)

        # The sums of this epoch.
        for name in OF_THIS_EPOCH:
            column = getattr(self, name)[:, lane]
            column.copy_(getattr(state, name))
            setattr(state, name, column)

    def release(self, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Give a training tensors of its own again."""
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.data = tensor.data.clone()
        for values in optimizer.state.values():
            for key, value in values.items():
                values[key] = value.clone()

    def rows(self, step: int) -> list[Tensor]:
        """All that a step changes, each [W, ...]."""
        return [self.numbers, self.step_counts, *(getattr(self, name)[step] for name in OF_THIS_EPOCH)]

    def begin_epoch(self, seeds: Mapping[int, tuple[int, int]], steps: int) -> None:
        """Begin an epoch of so many steps with the (seed, epoch) of each lane in use."""
        self.networks.streams.begin_epoch(seeds, steps)
        self.at.zero_()

    def learn(self, images: Tensor, labels: Tensor, numbers: Tensor) -> Tensor:
        """Learn from one batch of each lane, images [W * B, ...] and labels [W * B]; returns the losses [W].

        `numbers` [2 + ..., W] are label smoothing, largest norm of the gradient, and what the optimizer's rule takes.
        All that it reads and changes stays where it is, so that it can be captured in a CUDA graph.
        """
        images, labels = images.view(self.width, -1, *images.shape[1:]), labels.view(self.width, -1)
        smoothing, clip, *others = numbers
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits = self.networks(self.leaves, images)
        losses = smoothed_cross_entropy(logits.float(), labels, smoothing)
        parts = torch.autograd.grad(losses.sum(), list(self.leaves.values()))
        with torch.no_grad():
            gradients = torch.cat([*(part.flatten(1) for part in parts), self.padding], dim=1)
            norms = gradients.norm(dim=1)
            gradients.mul_((clip / (norms + 1e-6)).clamp(max=1)[:, None])  # as nn.utils.clip_grad_norm_
            self.rule.update(self.weights, gradients, self.moments, [other[:, None] for other in others])
            self.step_counts += 1
            self.losses.index_copy_(0, self.at, (losses * labels.shape[1])[None])
            self.correct.index_copy_(0, self.at, (logits.argmax(dim=2) == labels).sum(dim=1)[None])
            self.grad_norms.index_copy_(0, self.at, norms[None])
            self.at += 1
        return losses.detach()

    def predict(self, batches: Batches) -> list[Predictions]:
        """The predictions of each lane's network, in eval mode, for every drawing of a split."""
        columns: list[tuple[Tensor, ...]] = []
        targets: list[Tensor] = []
        self.networks.train(False)
        with torch.no_grad():
            for images, labels in in_large_batches(batches, self.device, self.width):
                images, labels = images.to(self.device), labels.to(self.device)
                logits = self.networks(self.leaves, images, shared=True).flatten(0, 1)
                repeated = labels.repeat(self.width)
                rank, loss = per_example.rank(logits, repeated), per_example.cross_entropy(logits, repeated)
                values = (logits.argmax(dim=1), rank, per_example.confidence(logits), loss)
                columns.append(tuple(value.view(self.width, -1) for value in values))
                targets.append(labels)
        self.networks.train(True)
        label = torch.cat(targets).cpu().numpy()
        tables = [torch.cat(column, dim=1).cpu().numpy() for column in zip(*columns, strict=True)]
        return [Predictions(batches.indices, label, *rows) for rows in zip(*tables, strict=True)]


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: Tensor) -> Tensor:
    """The mean cross-entropy of each lane, [W], of logits [W, B, C], labels [W, B] and label smoothing [W].

    As F.cross_entropy: the label's share is 1 - smoothing, and smoothing is shared by all classes.
    """
    log_probabilities = logits.log_softmax(dim=2)
    label = -log_probabilities.gather(2, labels[:, :, None]).mean(dim=(1, 2))
    all_classes = -log_probabilities.mean(dim=(1, 2))
    return (1 - smoothing) * label + smoothing * all_classes
