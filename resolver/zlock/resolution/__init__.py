"""The solve: pure questions and answers over candidates; no printing, no clock, no network of its own."""
