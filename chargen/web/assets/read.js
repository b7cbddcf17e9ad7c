"use strict";
// The part Read: how surprising each character of a text is to the model.

const FULL = 8; // bits that get the full colour

const scored = []; // of each character, what `read` yields, with its choices instead of all probabilities

const reading = new Part("read", (place) => {
  const { character, id, bits, choices } = scored[place];
  const unknown = vocab.ids.has(character) ? "" : ", which the model does not know,";
  reading.explain(`${quoted(character)}${unknown} took ${number(bits, 2)} bits. The likeliest here:`, choices, id);
});

element("read-start").addEventListener("click", async () => {
  const { text, cut } = textIn(element("read-text"));
  scored.length = 0;
  reading.text.clear();
  reading.explain("");
  if (!text) return reading.say("There is no text to read.");
  let total = 0;
  let unknown = 0;
  const tell = () => {
    const note = unknown ? ` ${number(unknown)} characters are unknown to the model.` : "";
    const mean = number(total / scored.length, 4);
    reading.say(`${mean} bits per character over ${number(scored.length)} characters.${note}${cut}`);
  };
  function* work() {
    for (const { character, id, bits, shares } of read(text)) {
      total += bits;
      if (!vocab.ids.has(character)) unknown++;
      scored.push({ character, id, bits, choices: choicesWith(shares, id) });
      reading.text.append(character);
      reading.text.shade(scored.length - 1, "surprise", Math.min(1, bits / FULL));
      if (scored.length % 100 === 0) tell();
      yield false;
    }
  }
  if ((await reading.run(work())) !== "replaced") tell();
});

for (const bits of [0, 1, 2, 4, FULL]) {
  legend("read-legend", bits === FULL ? `${bits} and more` : `${bits}`, "surprise", bits / FULL);
}
