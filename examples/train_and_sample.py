"""Train on a text and let the model write: python examples/train_and_sample.py alice --steps 300."""

import argparse

import chargen

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("text", help="a built-in corpus, a file or a folder")
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--hidden-size", type=int, default=128)
arguments = parser.parse_args()

result = chargen.train(arguments.text, steps=arguments.steps, hidden_size=arguments.hidden_size)
model = chargen.load(result.best)
print(f"{result.run}: {result.val_bpc:.3f} bits per character in validation\n")
print(model.sample(length=300, seed=1))
