"""Short counterfactual runs on copies of the model: one file a question."""
