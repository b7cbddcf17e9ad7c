"use strict";
// The forward pass: an id in, logits out, for every cell and any number of layers. The equations are those of
// inference/numpy_cells.py, the weights' names and the order of their gates those of ModelConfig.weight_shapes.
//
// V vocab, L layers, H hidden, E embedding, G gates x hidden. All float32 numbers that a product touches lie in one
// buffer, which WebAssembly shares; a "place" is an index into it.

const BLOCK = 16; // rows of a matrix that the kernel of kernel.wat takes at once; everything is padded to as many
const SCRIPT_BLOCK = 4; // the same for the kernel in JavaScript

const padded = (count) => Math.ceil(count / BLOCK) * BLOCK;

// Float16 to float32 by table: sign, five bits of exponent, ten bits of fraction (IEEE 754).
const HALVES = new Float32Array(1 << 16);
for (let bits = 0; bits < HALVES.length; bits++) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  HALVES[bits] = bits >> 15 ? -size : size;
}

/** The values of one packed tensor as float32, row by row; `format` says how page.py has packed it. */
function unpacked(tensor, bytes) {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  const values = new Float32Array(count);
  const part = (start, size) => bytes.slice(start, start + size).buffer;
  if (tensor.format === "float16") {
    const halves = new Uint16Array(part(tensor.start, 2 * count));
    for (let at = 0; at < count; at++) values[at] = HALVES[halves[at]];
    return values;
  }
  const [rows, columns] = tensor.shape;
  const scales = new Float32Array(part(tensor.start, 4 * rows));
  const steps = new Int8Array(part(tensor.start + 4 * rows, count));
  for (let at = 0; at < count; at++) values[at] = steps[at] * scales[Math.floor(at / columns)];
  return values;
}

/** Hands out places before the buffer is made, and remembers what has to be copied there from which tensor. */
class Layout {
  constructor(tensors, block) {
    this.block = block;
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.copies = new Map(tensors.map((tensor) => [tensor.name, []]));
    this.size = 0;
  }

  room(count) {
    const place = this.size;
    this.size += padded(count);
    return place;
  }

  /** The rows and columns from `top` and `left` of a tensor, in blocks of rows as the kernel wants them: see kernel.wat. */
  matrix(name, top, rows, left, columns) {
    const width = this.tensors.get(name).shape[1];
    const place = this.room(padded(rows) * columns);
    this.copies.get(name).push((values, floats) => {
      for (let row = 0; row < rows; row++) {
        const to = place + (row - (row % this.block)) * columns + (row % this.block);
        const from = (top + row) * width + left;
        for (let column = 0; column < columns; column++) floats[to + column * this.block] = values[from + column];
      }
    });
    return { place, rows: padded(rows), columns };
  }

  /** Some columns of a tensor as vectors, one behind the other: what a one-hot character adds to the gates. */
  columns(name, left, count) {
    const [rows, width] = this.tensors.get(name).shape;
    const place = this.room(rows * count);
    this.copies.get(name).push((values, floats) => {
      for (let row = 0; row < rows; row++) {
        for (let at = 0; at < count; at++) floats[place + at * rows + row] = values[row * width + left + at];
      }
    });
    return place;
  }

  /** A tensor as it is, or the numbers from `start` to `end` of it; added to what another one puts in that place. */
  vector(name, start = 0, end = undefined, place = undefined) {
    const size = this.tensors.get(name).shape.reduce((product, length) => product * length, 1);
    const to = place ?? this.room((end ?? size) - start);
    this.copies.get(name).push((values, floats) => {
      values.subarray(start, end).forEach((value, at) => (floats[to + at] += value));
    });
    return to;
  }

  fill(floats, bytes) {
    for (const [name, copies] of this.copies) {
      const values = unpacked(this.tensors.get(name), bytes);
      for (const copy of copies) copy(values, floats);
    }
  }
}

/** Whether the browser has WebAssembly with the instructions of a kernel. */
const runs = (code) => typeof WebAssembly === "object" && WebAssembly.validate(code);

/** The kernel of kernel.wat, on memory that it makes. */
function wasmKernel(code, size) {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * size) / 65536) });
  const { multiply } = new WebAssembly.Instance(new WebAssembly.Module(code), { page: { memory } }).exports;
  return {
    name: "WebAssembly",
    floats: new Float32Array(memory.buffer),
    multiply: (sums, matrix, inputs) =>
      multiply(4 * sums, 4 * matrix.place, 4 * inputs, matrix.rows, matrix.columns),
  };
}

/** The same product in JavaScript, with sums in float64. */
function scriptKernel(size) {
  const floats = new Float32Array(size);
  const multiply = (sums, { place, rows, columns }, inputs) => {
    let at = place;
    for (let row = 0; row < rows; row += SCRIPT_BLOCK) {
      let a = floats[sums + row];
      let b = floats[sums + row + 1];
      let c = floats[sums + row + 2];
      let d = floats[sums + row + 3];
      for (let column = 0; column < columns; column++, at += SCRIPT_BLOCK) {
        const x = floats[inputs + column];
        a += floats[at] * x;
        b += floats[at + 1] * x;
        c += floats[at + 2] * x;
        d += floats[at + 3] * x;
      }
      floats[sums + row] = a;
      floats[sums + row + 1] = b;
      floats[sums + row + 2] = c;
      floats[sums + row + 3] = d;
    }
  };
  return { name: "JavaScript", floats, multiply };
}

const sigmoid = (value) => 1 / (1 + Math.exp(-value));

// What each cell does with its gates (PyTorch's order) once the products are done. `hold` fixes single values of the
// memory, the cell state where there is one.
const CELLS = {
  // c = f c + i g, h = o tanh(c), gates i f g o (Gers et al. 2000, without peepholes)
  lstm({ gates, h, c }, hold) {
    const size = h.length;
    for (let at = 0; at < size; at++) {
      const kept = sigmoid(gates[size + at]) * c[at];
      c[at] = kept + sigmoid(gates[at]) * Math.tanh(gates[2 * size + at]);
    }
    hold(c);
    for (let at = 0; at < size; at++) h[at] = sigmoid(gates[3 * size + at]) * Math.tanh(c[at]);
  },

  // The same with peepholes: i and f see the cell state before, o the one after (Graves 2013, equations 7 to 11)
  peephole({ gates, h, c, extra }, hold) {
    const size = h.length;
    for (let at = 0; at < size; at++) {
      const i = sigmoid(gates[at] + extra[at] * c[at]);
      const f = sigmoid(gates[size + at] + extra[size + at] * c[at]);
      c[at] = f * c[at] + i * Math.tanh(gates[2 * size + at]);
    }
    hold(c);
    for (let at = 0; at < size; at++) {
      h[at] = sigmoid(gates[3 * size + at] + extra[2 * size + at] * c[at]) * Math.tanh(c[at]);
    }
  },

  // n = tanh(x_n + r (a_n + b_n)), h = (1 - z) n + z h, gates r z n (Cho et al. 2014, as in cuDNN); `apart` is a_n + b_n
  gru({ gates, apart, h }, hold) {
    const size = h.length;
    for (let at = 0; at < size; at++) {
      const n = Math.tanh(gates[2 * size + at] + sigmoid(gates[at]) * apart[at]);
      const z = sigmoid(gates[size + at]);
      h[at] = (1 - z) * n + z * h[at];
    }
    hold(h);
  },

  // h = tanh(a + x) (Elman 1990)
  rnn({ gates, h }, hold) {
    for (let at = 0; at < h.length; at++) h[at] = Math.tanh(gates[at]);
    hold(h);
  },
};

/**
 * One stack of layers with its read-out.
 *
 * `header` and `bytes` are what page.py has packed; `code` is the kernel, left out for the one in JavaScript.
 */
class Network {
  constructor(header, bytes, code = null) {
    const config = header.model;
    const wasm = code !== null && runs(code);
    const layout = new Layout(header.tensors, wasm ? BLOCK : SCRIPT_BLOCK);
    this.config = config;
    this.hasCell = config.state_parts === 2;
    // Both halves of the state, layer by layer, each layer's from a multiple of BLOCK: copied in and out at each step
    this.stride = padded(config.hidden_size);
    this.stateSize = this.stride * config.num_layers * (this.hasCell ? 2 : 1);
    this.statePlace = layout.room(this.stateSize);
    this.embedding = config.one_hot ? null : layout.vector("embedding.weight");
    this.layers = Array.from({ length: config.num_layers }, (_, at) => this.#layer(layout, at));
    const first = config.skip ? 0 : config.num_layers - 1;
    this.readout = this.layers.slice(first).map((layer, at) => ({
      h: layer.h,
      weights: layout.matrix("readout.weight", 0, config.vocab_size, at * config.hidden_size, config.hidden_size),
    }));
    this.readoutBias = layout.vector("readout.bias");
    this.logits = layout.room(config.vocab_size);
    this.kernel = wasm ? wasmKernel(code, layout.size) : scriptKernel(layout.size);
    this.floats = this.kernel.floats;
    layout.fill(this.floats, bytes);
    for (const layer of this.layers) layer.views = this.#views(layer);
  }

  #layer(layout, at) {
    const { hidden_size: size, skip, one_hot: oneHot, peepholes, reset_after: resetAfter } = this.config;
    const name = (weight) => `layers.${at}.${weight}`;
    const rows = layout.tensors.get(name("weight_ih")).shape[0];
    const width = layout.tensors.get(name("weight_ih")).shape[1];
    const below = at ? size : 0; // columns that take the layer below; those of the character follow
    const joint = resetAfter ? rows - size : rows; // gates whose two products are added before anything else
    const layer = {
      rows,
      h: this.statePlace + at * this.stride,
      c: this.statePlace + (this.config.num_layers + at) * this.stride,
      gates: layout.room(rows),
      bias: layout.vector(name("bias_ih")),
      below: at ? layout.matrix(name("weight_ih"), 0, rows, 0, size) : null,
      past: layout.matrix(name("weight_hh"), 0, joint, 0, size),
      input: null,
      inputTable: null,
      extra: peepholes ? layout.vector(name("weight_peephole")) : null,
      apart: resetAfter ? layout.room(size) : null,
      apartBias: resetAfter ? layout.vector(name("bias_hh"), joint) : null,
      apartPast: resetAfter ? layout.matrix(name("weight_hh"), joint, size, 0, size) : null,
    };
    layout.vector(name("bias_hh"), 0, joint, layer.bias);
    if (at && !skip) return layer;
    if (oneHot) layer.inputTable = layout.columns(name("weight_ih"), below, width - below);
    else layer.input = layout.matrix(name("weight_ih"), 0, rows, below, width - below);
    return layer;
  }

  /** The parts of the buffer that a cell works on. */
  #views(layer) {
    const size = this.config.hidden_size;
    const view = (place, count) => (place === null ? null : this.floats.subarray(place, place + count));
    return {
      gates: view(layer.gates, layer.rows),
      h: view(layer.h, size),
      c: this.hasCell ? view(layer.c, size) : null,
      extra: view(layer.extra, this.config.peepholes * size),
      apart: view(layer.apart, size),
    };
  }

  /** The state that a text starts from. */
  start() {
    return new Float32Array(this.stateSize);
  }

  /**
   * Advances `state` by one character and returns the logits after it, valid until the next step.
   *
   * `held` fixes what units remember: a list of {layer, unit, value}, the value as `memory` gives it, within (-1, 1).
   */
  step(id, state, held = []) {
    const { floats, kernel } = this;
    floats.set(state, this.statePlace);
    this.layers.forEach((layer, at) => {
      this.#product(layer, id, at);
      const fixed = held.filter((unit) => unit.layer === at);
      CELLS[this.config.cell](layer.views, (memory) => {
        for (const { unit, value } of fixed) memory[unit] = this.hasCell ? Math.atanh(value) : value;
      });
    });
    floats.copyWithin(this.logits, this.readoutBias, this.readoutBias + this.config.vocab_size);
    for (const { h, weights } of this.readout) kernel.multiply(this.logits, weights, h);
    state.set(floats.subarray(this.statePlace, this.statePlace + this.stateSize));
    return floats.subarray(this.logits, this.logits + this.config.vocab_size);
  }

  /** A layer's gates before any nonlinearity. */
  #product(layer, id, at) {
    const { floats, kernel } = this;
    const { gates } = layer;
    floats.copyWithin(gates, layer.bias, layer.bias + layer.rows);
    if (layer.inputTable !== null) {
      const from = layer.inputTable + id * layer.rows;
      for (let row = 0; row < layer.rows; row++) floats[gates + row] += floats[from + row];
    } else if (layer.input !== null) {
      kernel.multiply(gates, layer.input, this.embedding + id * this.config.embedding_size);
    }
    if (layer.below) kernel.multiply(gates, layer.below, this.layers[at - 1].h);
    kernel.multiply(gates, layer.past, layer.h);
    if (layer.apart !== null) {
      floats.copyWithin(layer.apart, layer.apartBias, layer.apartBias + this.config.hidden_size);
      kernel.multiply(layer.apart, layer.apartPast, layer.h);
    }
  }

  /** What every unit remembers, tanh(c) or h, layer by layer, in 127ths: one byte each. */
  memory(state) {
    const { num_layers: layers, hidden_size: size } = this.config;
    const values = new Int8Array(layers * size);
    const cells = this.hasCell ? layers * this.stride : 0;
    for (let layer = 0; layer < layers; layer++) {
      for (let unit = 0; unit < size; unit++) {
        const value = state[cells + layer * this.stride + unit];
        values[layer * size + unit] = Math.round(127 * (this.hasCell ? Math.tanh(value) : value));
      }
    }
    return values;
  }
}
