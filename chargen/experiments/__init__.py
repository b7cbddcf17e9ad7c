"""Experiments on trainings: cells compared, gradients measured."""
