"""Segmentation of volumes, whatever is in them: an Anatomy says that. "Brain" in names here is what is inside: every
voxel where any modality is not 0."""
