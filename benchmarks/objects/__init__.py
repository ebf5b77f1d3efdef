"""Kinds of parts on which models are measured: drawn ones, and public pictures with drawn defects."""
