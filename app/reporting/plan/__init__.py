"""The page of a plan that has not run yet."""
