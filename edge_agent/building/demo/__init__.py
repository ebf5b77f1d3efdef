"""A sample part, its pictures and a model of it, made from nothing: what `edge-agent demo` shows."""
