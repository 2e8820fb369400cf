"""The pieces of the brain-tumour workload as the engine calls them."""

import numpy as np
import pytest
import torch

from app.workloads.brats.labels import BRAIN, region_masks
from app.workloads.brats.task import BratsTask
from app.workloads.brats.workload import BratsWorkload
from app.workloads.registry import find_workload
from app.workloads.volumes.network.inputs import normalize, region_targets

WORKLOAD = BratsWorkload()


def test_it_is_found_by_its_name_and_a_misspelt_one_names_it() -> None:
    assert isinstance(find_workload("brats"), BratsWorkload)
    with pytest.raises(ValueError, match="unknown workload 'bratz': did you mean 'brats'"):
        find_workload("bratz")


def test_options_are_checked_strictly() -> None:
    assert WORKLOAD.parse_task({"outputs": "whole"}).regions == ("WT",)
    with pytest.raises(ValueError, match=r"unknown key 'task.patchsize': did you mean 'patch_size'"):
        WORKLOAD.parse_task({"patchsize": [64, 64, 64]})


def test_z_scores_by_hand() -> None:
    image = torch.zeros(1, 4, 1, 1, 2, dtype=torch.int16)
    image[0, :, 0, 0, 0] = torch.tensor([10, 0, 30, -5])  # a brain voxel, one modality of which is 0
    gain, bias = torch.tensor([[0.5, 1.0, 0.1, 2.0]]), torch.tensor([[-1.0, -2.0, 0.0, 1.0]])
    z = normalize(image, gain, bias)
    torch.testing.assert_close(z[0, :, 0, 0, 0], torch.tensor([4.0, -2.0, 3.0, -9.0]))
    assert z[0, :, 0, 0, 1].tolist() == [0, 0, 0, 0], "outside the brain"


@pytest.mark.parametrize("outputs", ["whole", "regions"])
def test_targets_are_the_regions_of_the_label(outputs: str) -> None:
    label = np.random.default_rng(0).integers(0, 4, (2, 1, 3, 4, 5), dtype=np.uint8)
    targets = region_targets(torch.from_numpy(label), BratsTask(outputs=outputs).regions, BRAIN)  # type: ignore[arg-type]
    expected = np.stack([region_masks(case[0], outputs) for case in label])
    np.testing.assert_array_equal(targets.numpy().astype(bool), expected)


def test_an_example_batch_is_like_a_read_one_and_runs_through_the_network() -> None:
    task = BratsTask(patch_size=(16, 16, 16), filters=(4, 8))
    host = WORKLOAD.example_batch(task, 2)
    assert {k: (v.shape, str(v.dtype)) for k, v in host.items()} == {
        "image": ((2, 4, 16, 16, 16), "int16"),
        "label": ((2, 1, 16, 16, 16), "uint8"),
        "gain": ((2, 4), "float32"),
        "bias": ((2, 4), "float32"),
    }
    inputs = WORKLOAD.to_inputs(task, {k: torch.from_numpy(v) for k, v in host.items()}, None)
    sums = WORKLOAD.loss_sums(task, WORKLOAD.forward(task, WORKLOAD.build_model(task), inputs), inputs)
    assert sums.shape == (3 * 3 + 2,) and torch.isfinite(WORKLOAD.loss_value(task, sums))


def test_augmentation_follows_the_seeds_and_the_option() -> None:
    task = BratsTask(patch_size=(16, 16, 16), filters=(4, 8))
    batch = {k: torch.from_numpy(v) for k, v in WORKLOAD.example_batch(task, 2).items()}
    seeds = np.array([3, 4], np.uint64)
    plain, once, again = (WORKLOAD.to_inputs(task, batch, s)["image"] for s in (None, seeds, seeds))
    assert torch.equal(once, again) and not torch.equal(once, plain)
    off = WORKLOAD.to_inputs(BratsTask(patch_size=(16, 16, 16), filters=(4, 8), augment=None), batch, seeds)["image"]
    assert torch.equal(off, plain)


def test_targets_are_flipped_with_the_image() -> None:
    """A tumour where the image is bright stays there."""
    task = BratsTask(patch_size=(8, 8, 8), filters=(4, 8), outputs="whole")
    label = torch.zeros(8, 1, 8, 8, 8, dtype=torch.uint8)
    label[:, :, :3, 1:3, 5:] = 2
    image = torch.where(label > 0, 900, 100).to(torch.int16).expand(8, 4, 8, 8, 8)
    batch = {"image": image, "label": label, "gain": torch.full((8, 4), 0.01), "bias": torch.full((8, 4), -5.0)}
    inputs = WORKLOAD.to_inputs(task, batch, np.arange(8, dtype=np.uint64))
    assert torch.equal(inputs["target"][:, 0] > 0, inputs["image"][:, 0] > 0)
    assert len({tuple(target.nonzero()[0].tolist()) for target in inputs["target"]}) > 2, "some are flipped"
