"use strict";
// The model of this page, and what it does with texts: write one and read one.

const header = JSON.parse(document.getElementById("header").textContent);
const vocab = new Vocab(header.vocab, header.alike);
const network = new Network(header, decoded(takenText("weights")), decoded(header.kernel));

/** The text of an element that is not needed any more: that of the weights is larger than they are. */
function takenText(id) {
  const node = document.getElementById(id);
  node.remove();
  return node.textContent;
}

/** The bytes of a text in base64. */
function decoded(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** What `network.step` gives; an end mark begins an item, which starts from the first state. */
function stepped(id, state, held) {
  if (id === vocab.endId) state.fill(0);
  return network.step(id, state, held);
}

/**
 * Writes on behind `prompt`, a text that fits the vocabulary. Yields {id, shares, state} for each new character, and
 * null for each one of the prompt that was read. The random numbers are those of `chargen sample` with this seed. A
 * model of a list writes one item after the other or, behind a prompt, the item that it begins.
 */
function* written(prompt, settings, seed, held = []) {
  const ids = Array.from(prompt, (character) => vocab.id(character));
  if (!prompt || vocab.endId !== null) ids.unshift(...vocab.beginning);
  const state = network.start();
  const random = new Pcg64(seed);
  let last = ids.pop();
  for (const id of ids) {
    stepped(id, state, held);
    yield null;
  }
  for (;;) {
    const shares = probabilities(stepped(last, state, held), { ...settings, forbidden: vocab.unknownId });
    last = settings.temperature === 0 ? shares.indexOf(1) : draw(shares, random.random());
    yield { id: last, shares, state };
    if (prompt && last === vocab.endId) return;
  }
}

/**
 * Reads `text` as inference/score.py does. Yields {character, id, bits, shares} for each character: what it cost, and
 * how likely each id was in its place. What is not listed is read as the unknown id or, without one, passed over. Each
 * item of a list is read by itself.
 */
function* read(text) {
  const reserved = vocab.unknownId !== null;
  const amongUnlisted = Math.log2(header.code_points - vocab.characters.length);
  const extra = {
    listed: reserved ? 0 : -Math.log2(1 - header.escape),
    unlisted: reserved ? amongUnlisted : amongUnlisted - Math.log2(header.escape),
  };
  const state = network.start();
  let before = vocab.startId;
  let shares = null;
  for (const character of text) {
    if (before !== null) shares = probabilities(stepped(before, state));
    const id = vocab.id(character);
    const predicted = id === null ? 0 : -Math.log2(shares[id]);
    yield { character, id, bits: predicted + (vocab.ids.has(character) ? extra.listed : extra.unlisted), shares };
    before = id;
  }
}
