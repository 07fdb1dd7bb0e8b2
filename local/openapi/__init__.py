"""The OpenAPI document of all endpoints, made of serverless.yml, the handlers and the models they name."""
