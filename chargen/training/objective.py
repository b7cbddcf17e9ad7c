"""What training minimises, as one module whose ``forward`` does all of it."""

from torch import Tensor, nn
from torch.nn import functional as F

from chargen.training.masks import Masks
from chargen.training.model import StackedRNN


class Objective(nn.Module):
    """The mean cross-entropy of a window's next characters, in nats.

    Args:
        network: The network that is trained.
    """

    def __init__(self, network: StackedRNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, targets: Tensor, state: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
        """The loss of one window, a scalar, and the state after it, (S, L, B, H).

        Args:
            inputs: Characters, (T, B), int64.
            targets: The characters that follow them, likewise.
            state: State before the window, (S, L, B, H).
            masks: The window's dropout.
        """
        logits, after = self.network(inputs, state, masks)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()), after
