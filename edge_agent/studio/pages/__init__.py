"""What a person sees: templates, styles and plain ES modules, and all words in one file a language."""
