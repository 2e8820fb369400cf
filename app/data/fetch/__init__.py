"""Data sets from elsewhere: downloaded, checked, unpacked."""
