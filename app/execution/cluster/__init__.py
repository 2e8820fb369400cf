"""Which Ray: connected to, started on hosts, its hosts checked and watched; jobs on it followed."""
