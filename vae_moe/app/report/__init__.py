"""What was trained and what it found, as one page that a person can read: ``report.html``."""
