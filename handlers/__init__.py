"""Functions for AWS Lambda over the same services as the command line. There are none yet."""
