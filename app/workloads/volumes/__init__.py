"""Segmentation of volumes, whatever is in them: an Anatomy says that. The organ is
where any modality is not 0."""
