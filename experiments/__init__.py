"""What a user runs: one command, one configuration class, one run. Nobody imports this package.

`cli` dispatches; `*_config` modules hold the options and import the standard library and tyro only; `accuracy_request`
refuses a bad request without JAX; `accuracy` runs, `accuracy_results` condenses, `accuracy_plot` draws from the tables.
`generate` writes text with two models side by side: `decoding` steps one of them, `generate_cost` prices the steps.
"""
