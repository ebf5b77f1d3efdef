"""From camera to reject without writing a program: a source, steps, the model, rules, pins and events."""
