"""Peers that several questions ask: their environments with pinned versions, their networks and pipelines."""
