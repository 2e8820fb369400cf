"""The prepared store of volumes."""
