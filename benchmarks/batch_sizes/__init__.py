"""What may mend the cost of large batches in accuracy: claim 8 of docs/studies.md."""
