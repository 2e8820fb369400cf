"""Memory and time of one training step against the size of its volumes."""
