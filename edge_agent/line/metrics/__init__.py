"""What a line tells Prometheus."""
