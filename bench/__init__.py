"""The benchmark suite: what the platform does beside what the broker, the database and other programs can do. See README.md."""
