"""Cross-entropy that never holds all logits: computed chunk by chunk, gradient included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

# Positions whose logits are held at a time.
CHUNK = 1024

ChunkLoss = Callable[[Tensor, Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]


def chunk_loss(
    hidden: Tensor, output: Tensor, targets: Tensor, weights: Tensor, z_loss: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the summed loss and its gradients for a chunk of positions.

    hidden [N, D], output [V, D] (the output layer), targets int64 [N], weights float32 [N].
    Loss: sum of weights x negative log likelihood, float32 []. Gradients: with respect to
    hidden [N, D] and to output, float32 [V, D]; of the loss and of weights x `z_loss` x log(Z)^2,
    where Z is the softmax's denominator (Chowdhery et al. 2022, section 5), which keeps logits
    from growing.
    """
    logits = (hidden @ output.T).float()
    log_total = torch.logsumexp(logits, -1)
    chosen = logits.gather(-1, targets[:, None]).squeeze(-1)
    loss = ((log_total - chosen) * weights).sum()
    probabilities = torch.exp(logits - log_total[:, None])
    is_target = torch.arange(output.shape[0], device=logits.device) == targets[:, None]
    if z_loss:
        probabilities = probabilities * (1.0 + 2.0 * z_loss * log_total[:, None])
    slope = ((probabilities - is_target.float()) * weights[:, None]).to(hidden.dtype)
    return loss, slope @ output, (slope.T @ hidden).float()


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Autograd node whose gradients were already computed in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        output: Tensor,
        targets: Tensor,
        weights: Tensor,
        one_chunk: ChunkLoss,
        z_loss: float,
    ) -> Tensor:
        total = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden)
        output_grad = torch.zeros(output.shape, dtype=torch.float32, device=output.device)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            loss, of_hidden, of_output = one_chunk(
                hidden[part], output, targets[part], weights[part], z_loss
            )
            total += loss
            hidden_grad[part] = of_hidden
            output_grad += of_output
        ctx.save_for_backward(hidden_grad, output_grad.to(output.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden_grad, output_grad = ctx.saved_tensors
        return hidden_grad * grads[0], output_grad * grads[0], None, None, None, None


def cross_entropy(
    hidden: Tensor,
    output: Tensor,
    targets: Tensor,
    weights: Tensor,
    one_chunk: ChunkLoss = chunk_loss,
    z_loss: float = 0.0,
) -> Tensor:
    """Return the sum of weighted negative log likelihoods, float32 [], in nats.

    Shapes as in `chunk_loss`; `one_chunk` may be a compiled version of it. `z_loss` adds to the
    gradients alone. Memory: one chunk's logits, instead of all (the idea of Liger's fused linear
    cross-entropy, Hsu et al. 2024).
    """
    value = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, output, targets, weights, one_chunk, z_loss
    )
    return cast(Tensor, value)
