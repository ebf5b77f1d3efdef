"""From pictures to a model: labelled pictures, training, measuring, importing; it knows nothing of serving."""
