"""What tests share: running guests, asking oracles, the markers behind the roadmap."""
