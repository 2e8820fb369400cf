"""One function over many items: on Ray Data, or in this process."""
