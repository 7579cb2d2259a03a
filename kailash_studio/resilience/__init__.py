"""Pure logic of time and failure; it knows neither documents nor runs."""
