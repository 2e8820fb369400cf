"""Another segmentation set: the hippocampus of the Medical Segmentation Decathlon (Task04). One modality, two labels,
small volumes; what is about volumes is shared with brain tumours."""
