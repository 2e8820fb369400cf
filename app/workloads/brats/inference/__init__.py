"""From a volume to a label, its scores and its picture."""
