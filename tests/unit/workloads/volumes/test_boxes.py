"""The smallest box with all that is True, against SciPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from app.workloads.volumes.boxes import bounding_box

SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5)


@given(mask=arrays.arrays(np.bool_, SHAPES, elements=st.booleans(), fill=st.just(False)))
def test_the_box_is_that_of_scipy(mask: np.ndarray) -> None:
    (wanted,) = ndimage.find_objects(mask.astype(np.uint8), max_label=1)
    assert bounding_box(mask) == wanted


def test_two_far_corners_take_the_whole_volume_and_nothing_has_no_box() -> None:
    mask = np.zeros((3, 4, 5), bool)
    assert bounding_box(mask) is None
    mask[0, 3, 0] = mask[2, 1, 4] = True
    assert bounding_box(mask) == (slice(0, 3), slice(1, 4), slice(0, 5))
