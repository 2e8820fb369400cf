"""Studies on one and two workers, and what is predicted for more: claims 1 and 8 of docs/studies.md."""
