"""All logic of Batchline: the edge, one module per noun of the domain, the provider's client."""
