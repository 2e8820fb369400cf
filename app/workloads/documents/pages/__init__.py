"""One page: decoded as a viewer shows it, or refused by the property."""
