"""The two networks in Keras, layer for layer those of PyTorch, whose names their layers bear, with `__` for a point.

EfficientNet-B0 pads evenly where it halves, as timm's does; Keras' own pads one side more there.
"""

from typing import Any

MOMENTUM, EPSILON = 0.9, 1e-5
"""PyTorch's, in Keras' terms."""
STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)  # fmt: skip
"""Kernel, stride, expansion, channels, blocks (Tan and Le 2019, table 1)."""


def unet3d(size: tuple[int, ...], num_in: int, num_out: int, filters: tuple[int, ...]) -> Any:
    """DistMIS's 3D U-Net with batch norm: [B, D, H, W, num_in] -> logits [B, D, H, W, num_out]."""
    import keras
    from keras import layers

    def block(x: Any, width: int, name: str) -> Any:
        for first in (0, 3):
            x = layers.Conv3D(width, 3, padding="same", name=f"{name}__{first}")(x)
            x = layers.ReLU()(_norm(x, f"{name}__{first + 1}"))
        return x

    x = start = keras.Input((*size, num_in))
    skips = []
    for level, width in enumerate(filters):
        x = block(layers.MaxPooling3D(2)(x) if level else x, width, f"down__{level}")
        skips.append(x)
    skips.pop()
    for level, width in enumerate(reversed(filters[:-1])):
        x = layers.Conv3DTranspose(width, 2, strides=2, name=f"upsample__{level}")(x)
        x = block(layers.Concatenate()([x, skips.pop()]), width, f"up__{level}")
    return keras.Model(start, layers.Conv3D(num_out, 1, name="head")(x))


def efficientnet_b0(size: int, num_classes: int) -> Any:
    """[B, size, size, 3] -> logits [B, num_classes]."""
    import keras
    from keras import layers

    start = keras.Input((size, size, 3))
    x = _active(_conv(start, 32, 3, 2, "conv_stem"), "bn1")
    num_in = 32
    for stage, (kernel, stride, expansion, width, num_blocks) in enumerate(STAGES):
        for index in range(num_blocks):
            name = f"blocks__{stage}__{index}"
            x = _mobile_block(x, num_in, width, kernel, stride if index == 0 else 1, expansion, name)
            num_in = width
    x = _active(_conv(x, 1280, 1, 1, "conv_head"), "bn2")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(num_classes, name="classifier")(x))


def _mobile_block(x: Any, num_in: int, width: int, kernel: int, stride: int, expansion: int, name: str) -> Any:
    from keras import layers

    shortcut, number = x, 1
    if expansion > 1:
        x = _active(_conv(x, num_in * expansion, 1, 1, f"{name}__conv_pw"), f"{name}__bn1")
        number = 2
    x = layers.DepthwiseConv2D(
        kernel, strides=stride, padding="valid" if stride > 1 else "same", use_bias=False, name=f"{name}__conv_dw"
    )(_padded(x, kernel, stride))
    x = _active(x, f"{name}__bn{number}")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(num_in // 4, 1, activation="silu", name=f"{name}__se__conv_reduce")(gate)
    gate = layers.Conv2D(num_in * expansion, 1, activation="sigmoid", name=f"{name}__se__conv_expand")(gate)
    x = _conv(layers.Multiply()([x, gate]), width, 1, 1, f"{name}__conv_pw{'l' if expansion > 1 else ''}")
    x = _norm(x, f"{name}__bn{number + 1}")
    return layers.Add()([x, shortcut]) if stride == 1 and num_in == width else x


def _conv(x: Any, width: int, kernel: int, stride: int, name: str) -> Any:
    from keras import layers

    padding = "valid" if stride > 1 else "same"
    return layers.Conv2D(width, kernel, strides=stride, padding=padding, use_bias=False, name=name)(
        _padded(x, kernel, stride)
    )


def _padded(x: Any, kernel: int, stride: int) -> Any:
    from keras import layers

    return layers.ZeroPadding2D((kernel - 1) // 2)(x) if stride > 1 else x


def _norm(x: Any, name: str) -> Any:
    from keras import layers

    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name)(x)


def _active(x: Any, name: str) -> Any:
    from keras import layers

    return layers.Activation("silu")(_norm(x, name))
