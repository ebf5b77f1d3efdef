"""What executes a model. Engines are looked up by name and imported only when one is used."""
