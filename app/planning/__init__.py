"""Which trials a study has and when each runs on how many workers; what that will take. Without torch or Ray."""
