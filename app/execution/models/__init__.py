"""A trained model in use: opened, evaluated, asked."""
