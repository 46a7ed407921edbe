"""Functions for AWS Lambda over the same services as the command line: an event in, one call, a dict out."""
