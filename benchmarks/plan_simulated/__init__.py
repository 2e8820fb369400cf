"""Plans chosen for imagined clusters, beside every other plan."""
