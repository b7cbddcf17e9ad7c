"""What training minimises, as one module whose ``forward`` does all of it."""

from torch import Tensor, nn
from torch.nn import functional as F

from chargen.training.masks import Masks
from chargen.training.model import StackedRNN


class Objective(nn.Module):
    """The mean cross-entropy of a window's characters, in nats.

    A bidirectional network has two: of each character from those before it, and of each from both sides. Their sum is
    minimised, so that the forward half stays a generator in its own right.

    Args:
        network: The network that is trained.
    """

    def __init__(self, network: StackedRNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, targets: Tensor, state: Tensor, masks: Masks) -> tuple[Tensor, Tensor, Tensor]:
        """What to minimise and the loss of the forward half, scalars, and the state after the window, (S, L, B, H).

        Args:
            inputs: Characters, (T, B), int64.
            targets: The characters that follow them, likewise.
            state: State before the window, (S, L, B, H).
            masks: The window's dropout.
        """
        network, wanted = self.network, targets.flatten()
        features, after = network.features(inputs, state, masks)
        forward = F.cross_entropy(network.readout(features).float().flatten(0, 1), wanted)
        if not network.config.bidirectional:
            return forward, forward, after
        both = F.cross_entropy(network.joint_logits(features, targets, masks).flatten(0, 1), wanted)
        return forward + both, forward, after
