"""Which files make a case, and which cases are of one patient."""
