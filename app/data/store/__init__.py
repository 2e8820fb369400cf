"""What every prepared store has: its manifest, its quarantine, the process that works in it."""
