"use strict";
// What the parts of the page share: a text whose characters can be looked at, and work that can be stopped.

const MOST = 20000; // characters that a part shows; each is an element of its own
const SLICE = 12; // milliseconds of work between two chances for the browser to draw
const CHOICES = 12; // characters shown as what might have stood in a place, at most
const LEAST = 0.0005; // probability below which they are not
const END = "\u0003"; // the mark behind each item of a list whose items may have several lines

const element = (id) => document.getElementById(id);

/** An element with a text and, possibly, classes. */
function made(kind, text = "", classes = "") {
  const node = document.createElement(kind);
  node.textContent = text;
  node.className = classes;
  return node;
}

/** Adds to a legend what a shade means: `colour` is a class of page.css, `strength` from 0 to 1. */
function legend(id, text, colour, strength) {
  const step = made("b", text, colour);
  step.style.setProperty("--shade", strength);
  element(id).append(step);
}

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const percent = (share) => `${number(100 * share, share < 0.1 ? 1 : 0)}%`;

/** A character as something to see: signs for white space, the code point for what shows nothing by itself. */
function glyph(character) {
  const sign = { "\n": "\u21b5", "\t": "\u21e5", " ": "\u2423", [END]: "\u2403" }[character];
  if (sign) return sign;
  if (!/^[\p{C}\p{M}\p{Z}]/u.test(character)) return character;
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

const quoted = (character) => `\u201c${glyph(character)}\u201d`;

/** A text, an element for each character; `onChoose` gets the place that a pointer or the arrow keys chose. */
class TextBox {
  constructor(box, onChoose) {
    this.box = box;
    this.onChoose = onChoose;
    this.clear();
    for (const event of ["pointerover", "click"]) {
      box.addEventListener(event, ({ target }) => this.places.has(target) && this.choose(this.places.get(target)));
    }
    box.addEventListener("keydown", (event) => this.#key(event));
  }

  get length() {
    return this.spans.length;
  }

  clear() {
    this.spans = [];
    this.places = new Map();
    this.chosen = -1;
    this.box.replaceChildren();
  }

  append(character, name = "") {
    const span = made("span", character === END ? "\u2403\n" : character, character === "\n" ? `newline ${name}` : name);
    this.places.set(span, this.spans.length);
    this.spans.push(span);
    this.box.append(span);
  }

  /** Shows the end of the text, if `before`, the height of what was there before, was in view. */
  follow(before) {
    const { box } = this;
    if (box.scrollTop + box.clientHeight > before - 40) box.scrollTop = box.scrollHeight;
    return box.scrollHeight;
  }

  /** Colours a character: `colour` is a class of page.css, `strength` from 0 to 1. */
  shade(place, colour, strength) {
    const span = this.spans[place];
    span.classList.remove("surprise", "high", "low");
    span.classList.add(colour);
    span.style.setProperty("--shade", strength.toFixed(2));
  }

  choose(place) {
    if (!this.spans[place]) return;
    this.spans[this.chosen]?.classList.remove("chosen");
    this.chosen = place;
    this.spans[place].classList.add("chosen");
    this.onChoose(place);
  }

  #key(event) {
    const last = this.length - 1;
    const place = {
      ArrowLeft: () => Math.max(0, this.chosen - 1),
      ArrowRight: () => Math.min(last, this.chosen + 1),
      ArrowUp: () => this.#lineAway(-1),
      ArrowDown: () => this.#lineAway(1),
      Home: () => 0,
      End: () => last,
    }[event.key];
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.choose(place());
    this.spans[this.chosen]?.scrollIntoView({ block: "nearest" });
  }

  /** The place in the line above (-1) or below (1) that lies nearest to the chosen one; that itself without such a line. */
  #lineAway(direction) {
    const from = this.spans[Math.max(0, this.chosen)];
    const away = (span) => Math.abs(span.offsetLeft - from.offsetLeft);
    let best = from;
    let line = from.offsetTop;
    for (let at = this.chosen + direction; this.spans[at]; at += direction) {
      const span = this.spans[at];
      if (span.offsetTop === from.offsetTop) continue;
      if (line !== from.offsetTop && span.offsetTop !== line) break;
      if (line === from.offsetTop || away(span) < away(best)) best = span;
      line = span.offsetTop;
    }
    return this.places.get(best) ?? -1;
  }
}

/** A part of the page: its text, and one piece of work at a time, which Stop ends. */
class Part {
  constructor(name, onChoose) {
    this.at = (id) => element(`${name}-${id}`);
    this.text = new TextBox(this.at("box"), onChoose);
    this.work = null; // what is being done; null once it is to stop
    this.newest = null; // what was begun last, done or not
    this.at("stop").addEventListener("click", () => this.stop());
    this.at("copy").addEventListener("click", () => this.#copy());
  }

  say(sentence) {
    this.at("status").textContent = sentence;
  }

  stop() {
    this.work = null;
    this.at("stop").disabled = true;
  }

  /**
   * Runs a generator some milliseconds at a time, in the place of what is being done, and says how it came to an end:
   * "done", "stopped" or "replaced" by other work. A yielded true means that there is nothing to do yet.
   */
  async run(work, { follow = false } = {}) {
    this.work = this.newest = work;
    this.at("stop").disabled = false;
    let height = this.text.box.scrollHeight;
    let end = performance.now() + SLICE;
    for (const waiting of work) {
      if (!waiting && performance.now() < end) continue;
      if (follow) height = this.text.follow(height);
      await new Promise((resume) => setTimeout(resume));
      if (this.work !== work) return this.newest === work ? "stopped" : "replaced";
      end = performance.now() + SLICE;
    }
    this.stop();
    return "done";
  }

  /** Below the text: a sentence on the chosen place and, with bars, what might have stood there; `id` is what does. */
  explain(sentence, choices = [], id = null) {
    const rows = choices.map((choice) => {
      const row = made("div", "", choice.id === id ? "drawn" : "");
      const bar = made("i");
      bar.style.width = `${100 * choice.share}%`;
      const character = vocab.characters[choice.id];
      row.append(made("b", character === undefined ? "other" : glyph(character)), bar, made("span", percent(choice.share)));
      return row;
    });
    const line = made("p", sentence, "quiet");
    line.setAttribute("role", "status");
    this.at("choice").replaceChildren(line, ...rows);
  }

  async #copy() {
    const text = this.text.box.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(this.text.box);
      if (!document.execCommand("copy")) return this.say("The browser copies nothing by itself; the text is selected.");
    }
    this.say(`${number(text.length)} characters copied.`);
  }
}

/** The likeliest ids with their probabilities, and `id` even where it is not among them. */
function choicesWith(shares, id) {
  const choices = likeliest(shares, CHOICES).filter(({ share }) => share >= LEAST);
  if (id === null || choices.some((choice) => choice.id === id)) return choices;
  return [...choices.slice(0, CHOICES - 1), { id, share: shares[id] }];
}

/** What a field holds, cut to what a part shows, and a sentence on the cut. */
function textIn(field) {
  const characters = Array.from(field.value);
  const cut = characters.length > MOST ? ` The first ${number(MOST)} of ${number(characters.length)} are shown.` : "";
  return { text: characters.slice(0, MOST).join(""), cut };
}
