"""Names and versions for data, models, components and environments, in a store."""
