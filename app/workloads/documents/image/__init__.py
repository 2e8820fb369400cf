"""Pages classified by their image: timm's networks."""
