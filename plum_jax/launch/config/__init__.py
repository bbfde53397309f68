"""gin, caged: what it accepts silently is found before anything runs."""
