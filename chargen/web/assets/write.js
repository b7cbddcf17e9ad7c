"use strict";
// The part Write: a prompt is continued, and each new character shows what else it might have been.

const SPEEDS = [2, 5, 10, 20, 40, 80, 160, 320, 1e9]; // characters a second; the last is more than any engine's
const MOST_DUE = 100; // characters that may be due at once: as fast as it is, a page that slows down does so soon
const TELLING = 500; // milliseconds between two reports of how far it is

const drawn = []; // of each new character, its id and what else it might have been
let promptLength = 0; // characters before them in the box

const writing = new Part("write", (place) => {
  const character = drawn[place - promptLength];
  if (!character) return writing.explain("This was there to be continued.");
  const { share } = character.choices.find(({ id }) => id === character.id);
  writing.explain(
    `${quoted(vocab.characters[character.id])} was drawn with a probability of ${percent(share)}.`,
    character.choices,
    character.id,
  );
});

/** The seed in the field or, where it is empty, one by chance; null where it is no whole number. */
function chosenSeed() {
  const field = element("seed").value.trim();
  if (field === "") return BigInt(crypto.getRandomValues(new Uint32Array(1))[0]);
  return /^[0-9]+$/.test(field) ? BigInt(field) : null;
}

/** What became of the characters of a prompt that the model does not know; empty where it knows all. */
function fittingNote(readings) {
  const notes = Array.from(readings, ([character, reading]) =>
    reading === null ? `${quoted(character)} was left out` : `${quoted(character)} was read as \u201c${reading}\u201d`,
  );
  if (notes.length > 5) notes.splice(5, notes.length, `and ${number(notes.length - 5)} more`);
  return notes.length ? ` ${notes.join("; ")}.` : "";
}

/**
 * Writes behind `prompt` into a part's text, at the chosen speed, until it is stopped or the part is full. `onCharacter`
 * gets each new character as `written` yields it, and its place in the text.
 */
async function write(part, prompt, { held = [], note = "", onCharacter }) {
  const seed = chosenSeed();
  if (seed === null) return part.say(`A seed is a whole number, not ${element("seed").value}.`);
  const settings = { temperature: Number(element("temperature").value), topP: Number(element("top-p").value) };
  const begun = performance.now();
  let count = 0;
  let toldAt = begun;
  const tell = () => {
    toldAt = performance.now();
    const rate = count / ((toldAt - begun) / 1000);
    part.say(`${number(count)} characters, ${number(rate)}/s (${network.kernel.name}), seed ${seed}.${note}`);
  };
  function* work() {
    let due = 1; // characters that the chosen speed allows by now
    let before = begun;
    for (const character of written(prompt, settings, seed, held)) {
      yield false;
      if (!character) continue;
      while (due < 1) {
        const now = performance.now();
        due = Math.min(due + ((now - before) / 1000) * SPEEDS[element("speed").value], MOST_DUE);
        before = now;
        if (due < 1) yield true;
      }
      due--;
      part.text.append(vocab.characters[character.id]);
      onCharacter(character, part.text.length - 1);
      count++;
      if (performance.now() > toldAt + TELLING) tell();
      if (part.text.length >= MOST) return;
    }
  }
  if ((await part.run(work(), { follow: true })) !== "replaced") tell();
}

element("write-start").addEventListener("click", () => {
  const { text, readings } = vocab.fit(element("write-text").value);
  const shown = Array.from(text).slice(-MOST / 2);
  drawn.length = 0;
  promptLength = shown.length;
  writing.text.clear();
  writing.explain("");
  for (const character of shown) writing.text.append(character, "given");
  write(writing, text, {
    note: fittingNote(readings),
    onCharacter: ({ id, shares }) => drawn.push({ id, choices: choicesWith(shares, id) }),
  });
});
