"""What only the frameworks need whose own pipelines are locked; `zlock.settings.frameworks` lists them."""
