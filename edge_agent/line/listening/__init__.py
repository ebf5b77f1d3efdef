"""What others say to a line: by HTTP, by MQTT, by a command, and by an input's edge."""
