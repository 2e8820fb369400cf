"""Classes of new pages, and the table they are written to."""
