"""Missing letters, guessed from both sides: python examples/fill_a_gap.py both "The Qu__n of Hearts".

The model is one that was trained with --bidirectional: chargen train --run both --bidirectional --minutes 2.5
"""

import sys

import chargen

checkpoint, text = sys.argv[1:]
for candidate in chargen.load(checkpoint).infill(text, candidates=3):
    print(f"{candidate.probability:4.0%}  {candidate.text}")
