"use strict";
// Characters to ids and back, and prompts that fit a vocabulary, as text/vocab.py and text/prompt.py have it.

class Vocab {
  /**
   * `alike` is the table of look-alikes: a reading, and the characters that are read so. `end` is the mark behind each
   * item, in a model of a list.
   */
  constructor({ characters, unknown, end = null }, alike) {
    this.characters = Array.from(characters);
    this.ids = new Map(this.characters.map((character, id) => [character, id]));
    this.unknownId = unknown ? this.characters.length : null;
    this.endId = this.ids.get(end) ?? null;
    this.startId = this.endId ?? this.ids.get("\n") ?? 0; // stands before the first character of a text that is read
    // and these before that of one that is written
    this.beginning = [".", "\n"].map((character) => this.ids.get(character)).filter((id) => id !== undefined);
    if (this.endId !== null || !this.beginning.length) this.beginning = [this.startId];
    this.alike = alike.map(([reading, alikes]) => [reading, new Set(alikes)]);
  }

  /** The id of a character: the reserved one for what is not listed, null where there is none. */
  id(character) {
    return this.ids.get(character) ?? this.unknownId;
  }

  /** The text in characters that the vocabulary lists, and what became of each other character. */
  fit(text) {
    const normal = this.ids.has("\r") ? text : text.replace(/\r\n?/g, "\n");
    const readings = new Map();
    const fitted = Array.from(normal, (character) => {
      if (this.ids.has(character)) return character;
      if (!readings.has(character)) readings.set(character, this.#reading(character, new Set()));
      return readings.get(character) ?? "";
    });
    return { text: fitted.join(""), readings };
  }

  /** The first alternative whose every character is listed or can be read itself, null without one. */
  #reading(character, tried) {
    if (this.ids.has(character)) return character;
    if (tried.has(character)) return null;
    const deeper = new Set(tried).add(character);
    for (const alternative of this.#alternatives(character)) {
      const parts = Array.from(alternative, (part) => this.#reading(part, deeper));
      if (parts.length && !parts.includes(null)) return parts.join("");
    }
    return null;
  }

  *#alternatives(character) {
    for (const [reading, alikes] of this.alike) if (alikes.has(character)) yield reading;
    yield character.normalize("NFKC");
    const decomposed = character.normalize("NFKD");
    yield decomposed;
    yield decomposed.replace(/\p{M}/gu, "");
    yield character.toLowerCase();
    yield character.toUpperCase();
  }
}
