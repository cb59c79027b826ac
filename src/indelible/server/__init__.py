"""The HTTP interface: routes by domain, authentication, errors, OpenAPI."""
