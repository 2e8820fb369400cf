"""Pages for people, from files that training and studies left; without torch or Ray."""
