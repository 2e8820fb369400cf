"""The training of one model on k workers: plain torch, without Ray."""
