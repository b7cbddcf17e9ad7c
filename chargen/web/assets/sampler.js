"use strict";
// From logits to the next id, as inference/sampler.py does it: the same filters, and NumPy's random numbers, so that
// a seed writes here what it writes there.

const MASK32 = 0xffffffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;

/** NumPy's SeedSequence: `count` words of 32 bits that a seed spreads to (after O'Neill 2015, seed_seq_fe128). */
function spreadSeed(seed, count) {
  const entropy = [];
  for (let rest = BigInt(seed); rest > 0n; rest >>= 32n) entropy.push(Number(rest & MASK32));
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    let mixed = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    mixed = Math.imul(mixed, constant);
    return mixed ^ (mixed >>> 16);
  };
  const joined = (one, other) => {
    const mixed = Math.imul(one, 0xca01f9dd) - Math.imul(other, 0x4973f715);
    return mixed ^ ((mixed >>> 0) >>> 16);
  };
  const pool = [0, 1, 2, 3].map((at) => hashed(entropy[at] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = joined(pool[to], hashed(pool[from]));
  }
  for (const word of entropy.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = joined(pool[to], hashed(word));
  }
  constant = 0x8b51f9dd;
  return Array.from({ length: count }, (_, at) => {
    let word = pool[at % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    word = Math.imul(word, constant);
    return (word ^ (word >>> 16)) >>> 0;
  });
}

/** PCG64, that is PCG XSL RR 128/64 (O'Neill 2014), seeded as `numpy.random.PCG64(seed)` is. */
class Pcg64 {
  constructor(seed) {
    const words = spreadSeed(seed, 8).map(BigInt);
    const [a, b, c, d] = [0, 2, 4, 6].map((at) => words[at] | (words[at + 1] << 32n));
    this.increment = ((((c << 64n) | d) << 1n) | 1n) & MASK128;
    this.state = this.increment + ((a << 64n) | b);
    this.#advance();
  }

  #advance() {
    this.state = (this.state * 0x2360ed051fc65da44385df649fccf645n + this.increment) & MASK128;
  }

  /** A number from 0 up to but not including 1, of 53 random bits. */
  random() {
    this.#advance();
    const folded = (this.state >> 64n) ^ (this.state & MASK64);
    const turn = this.state >> 122n;
    const word = ((folded >> turn) | (folded << (64n - turn))) & MASK64;
    return Number(word >> 11n) / 2 ** 53;
  }
}

/**
 * How likely each id is to be drawn: softmax(logits / temperature), of which only the likeliest up to `topP` in sum are
 * kept; `forbidden` is an id that never is. At temperature 0 the likeliest has it all.
 */
function probabilities(logits, { temperature = 1, topP = 1, forbidden = null } = {}) {
  const scores = Float64Array.from(logits);
  if (forbidden !== null) scores[forbidden] = -Infinity;
  const largest = scores.reduce((one, other) => Math.max(one, other), -Infinity);
  if (temperature === 0) {
    const likeliest = scores.indexOf(largest);
    return scores.map((_, id) => (id === likeliest ? 1 : 0));
  }
  const weights = scores.map((score) => Math.exp((score - largest) / temperature));
  if (topP < 1) keepTopP(weights, topP);
  const sum = weights.reduce((one, other) => one + other, 0);
  return weights.map((weight) => weight / sum);
}

/** Sets to 0 what comes after the likeliest that reach the share `topP` together (Holtzman et al. 2020). */
function keepTopP(weights, topP) {
  const order = Array.from(weights.keys()).sort((one, other) => weights[other] - weights[one] || one - other);
  const enough = (topP - 1e-12) * weights.reduce((one, other) => one + other, 0);
  let before = 0;
  order.forEach((id, rank) => {
    const weight = weights[id];
    if (rank > 0 && before >= enough) weights[id] = 0;
    before += weight;
  });
}

/** The id where the cumulative distribution passes `uniform`. */
function draw(shares, uniform) {
  const total = shares.reduce((one, other) => one + other, 0);
  let cumulative = 0;
  return shares.findIndex((share) => (cumulative += share) > uniform * total);
}

/** The `count` likeliest ids with their probabilities, the likeliest first; among equals the lower id. */
function likeliest(shares, count) {
  const best = [];
  shares.forEach((share, id) => {
    if (best.length === count && share <= best[count - 1].share) return;
    const place = best.findIndex((other) => share > other.share);
    best.splice(place < 0 ? best.length : place, 0, { id, share });
    best.length = Math.min(best.length, count);
  });
  return best;
}
