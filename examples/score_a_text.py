"""The words of a text that surprise a model most: python examples/score_a_text.py alice letter.txt."""

import sys
from pathlib import Path

import chargen

checkpoint, path = sys.argv[1:]
text = Path(path).read_text(encoding="utf-8")
scored = chargen.load(checkpoint).score(text)
print(f"{scored.bpc:.3f} bits per character, perplexity {scored.perplexity:.2f}")
ends = [place for place, character in enumerate(text) if character.isspace()] + [len(text)]
words = [(scored.bits[start:end].sum(), text[start:end].strip()) for start, end in zip([0, *ends], ends, strict=False)]
for bits, word in sorted(words, reverse=True)[:5]:
    print(f"{bits:6.1f}  {word}")
