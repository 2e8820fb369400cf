"""nnU-Net v2's own preparation and loader, driven case by case. Runs in nnU-Net's environment (peers/nnunet.py).

Its functions are called as its commands call them, but for its pools of processes: one case at a time in this process,
so that a second is a second of one core and start-up stays out.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.side import serve

DATASET = "Dataset001_BrainTumour"
NUM_CASES_OF_TASK01 = 484
"""nnU-Net draws 10^8 voxels over the whole data set for its statistics; with the few cases of a benchmark each would
carry dozens of times its share, which is not the method's fault. So each case draws what it would in Task01."""

LABELS = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": 3}
"""MSD's codes as regions, as nnU-Net's own BraTS data set declares them."""


class NnUnet:
    def __init__(self, root: Path) -> None:
        self._raw, self._prepared = root / "raw", root / "preprocessed"
        os.environ.update(
            nnUNet_raw=str(self._raw), nnUNet_preprocessed=str(self._prepared), nnUNet_results=str(root / "results")
        )
        self._loader: Any = None
        self._preprocessing: Any = None

    def convert(self, source: str, cases: list[str]) -> dict[str, Any]:
        """MSD's 4D files as one file a modality, the way nnU-Net wants them. Not counted against it."""
        began = time.perf_counter()
        folder = self._raw / DATASET
        if not (folder / "dataset.json").exists():
            for sub in ("imagesTr", "labelsTr"):
                (folder / sub).mkdir(parents=True, exist_ok=True)
            for case in cases:
                _convert_case(Path(source), case, folder)
            description = {
                "channel_names": {str(i): name for i, name in enumerate(("FLAIR", "T1w", "T1gd", "T2w"))},
                "labels": LABELS,
                "regions_class_order": [1, 2, 3],
                "numTraining": len(cases),
                "file_ending": ".nii.gz",
            }
            (folder / "dataset.json").write_text(json.dumps(description))
        return {"seconds": time.perf_counter() - began}

    def plan(self) -> dict[str, Any]:
        """Fingerprint of all cases and the plan, with nnU-Net's own calls; what preprocessing a case needs."""
        from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
        from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        extractor = DatasetFingerprintExtractor(DATASET, num_processes=1)
        extractor.run(overwrite_existing=False)
        plans_path = self._prepared / DATASET / "nnUNetPlans.json"
        if not plans_path.exists():
            ExperimentPlanner(DATASET).plan_experiment()
        self._files = extractor.dataset
        self._plans = PlansManager(str(plans_path))
        self._configuration = self._plans.get_configuration("3d_fullres")
        self._description = json.loads((self._raw / DATASET / "dataset.json").read_text())
        return {"spacing": list(self._configuration.spacing), "patch_size": list(self._configuration.patch_size)}

    def fingerprint(self, case: str, num_cases: int = NUM_CASES_OF_TASK01) -> dict[str, Any]:
        from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

        files = self._files[case]
        reader = self._plans.image_reader_writer_class
        num_samples = int(10e7 // num_cases)
        began = time.perf_counter()
        DatasetFingerprintExtractor.analyze_case(files["images"], files["label"], reader, num_samples)
        return {"seconds": time.perf_counter() - began}

    def preprocess(self, case: str) -> dict[str, Any]:
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

        folder = self._prepared / DATASET / self._configuration.data_identifier
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{case}*"):
            old.unlink()
        files = self._files[case]
        preprocessor = DefaultPreprocessor(verbose=False)
        began = time.perf_counter()
        preprocessor.run_case_save(
            str(folder / case), files["images"], files["label"], self._plans, self._configuration, self._description
        )
        elapsed = time.perf_counter() - began
        num_bytes = sum(path.stat().st_size for path in folder.glob(f"{case}*"))
        return {"seconds": elapsed, "num_bytes": num_bytes}

    def open_loader(self, patch: list[int], batch_size: int) -> dict[str, Any]:
        """Its training loader over all prepared cases, a third of the patches on foreground, no augmentation."""
        import torch
        from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
        from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

        torch.set_num_threads(1)
        folder = str(self._prepared / DATASET / self._configuration.data_identifier)
        dataset = infer_dataset_class(folder)(folder)
        labels = self._plans.get_label_manager(self._description)
        self._loader = nnUNetDataLoader(dataset, batch_size, patch, patch, labels, 0.33)
        self._batch_size = batch_size
        return {"num_cases": len(dataset.identifiers)}

    def load(self, num_patches: int) -> dict[str, Any]:
        began = time.perf_counter()
        for _ in range(num_patches // self._batch_size):
            batch = next(self._loader)
        elapsed = time.perf_counter() - began
        return {"patches_per_s": num_patches / elapsed, "shape": list(batch["data"].shape)}


def _convert_case(source: Path, case: str, folder: Path) -> None:
    import nibabel
    import numpy as np

    make_image: Any = nibabel.Nifti1Image
    image: Any = nibabel.load(source / "imagesTr" / f"{case}.nii.gz")
    voxels = np.asarray(image.dataobj)
    for channel in range(voxels.shape[3]):
        part = make_image(voxels[..., channel], image.affine)
        nibabel.save(part, folder / "imagesTr" / f"{case}_{channel:04d}.nii.gz")
    (folder / "labelsTr" / f"{case}.nii.gz").write_bytes((source / "labelsTr" / f"{case}.nii.gz").read_bytes())


if __name__ == "__main__":
    peer = NnUnet(Path(sys.argv[1]))
    names = ("convert", "plan", "fingerprint", "preprocess", "open_loader", "load")
    serve({name: getattr(peer, name) for name in names})
