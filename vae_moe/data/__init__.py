"""Data sets of others and tables and images of one's own, from their files to numbers."""
