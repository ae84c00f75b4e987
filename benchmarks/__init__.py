"""Training runs, their records, the statistics over them and the report that compares the methods."""
