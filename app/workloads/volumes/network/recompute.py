"""Activation checkpointing of a block (Chen et al. 2016): its inputs are kept, the rest computed again on the way back.

On the same inputs the same kernels give the same numbers, so that outputs and gradients are equal to the last bit; the
running statistics of batch normalization must not move a second time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, prepare: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """block(prepare(*inputs)), of which the backward pass keeps `inputs`. The block draws nothing at random."""

    def run(*kept: Tensor) -> Tensor:
        found: Tensor = block(prepare(*kept))
        return found

    found: Any = checkpoint(
        run, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=lambda: (nullcontext(), _still(block))
    )
    output: Tensor = found
    return output


@contextmanager
def _still(block: nn.Module) -> Iterator[None]:
    """Batch normalization sees another batch and remembers nothing of it. By a momentum of 0 rather than by copies put
    back: autograd holds the statistics, and would find them changed in place."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, num_batches
