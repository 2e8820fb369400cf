"""PyTorch against TensorFlow, with Keras on PyTorch between them: the same networks, weights, inputs and optimizers.

Needs an environment of its own, which `make frameworks` makes.
"""
