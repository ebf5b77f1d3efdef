"""From pixels to verdict: the one path that serving, benchmarks and the tools that build models share."""
