"use strict";
// The part Neurons: a text coloured by what one unit remembers, and units held while the model writes.

const HELD = 0.95; // memory of a unit that is held on; -HELD of one held off. A memory lies within (-1, 1)

const { num_layers: layerCount, hidden_size: layerSize } = header.model;
const memories = []; // what all units remember after each character of the text: Network.memory
const holds = new Map(); // units held while it writes, by layer and unit: {layer, unit, value, word}
let unit = { layer: 0, unit: 0, sign: 1 }; // the one shown; those of the tour have a name and a correlation too

const neurons = new Part("neurons", (place) => {
  const character = quoted(neurons.text.spans[place].textContent);
  neurons.explain(`${number(valueAt(place), 2)} after ${character}: ${described(unit)}`);
});

/** The memory of the unit shown after a character of the text, from -1 to 1. */
const valueAt = (place) => (unit.sign * memories[place][unit.layer * layerSize + unit.unit]) / 127;

const keyOf = ({ layer, unit: at }) => `${layer} ${at}`;

/** A unit's name, place and figures, as `chargen neurons` shows them. */
function described({ layer, unit: at, name, sign, correlation, auc }) {
  const where = `layer ${layer + 1}, unit ${at + 1}`;
  if (!name) return where;
  const area = auc === null ? "" : `, AUC ${number(auc, 2)}`;
  return `${name} (${where}, r ${number(sign * correlation, 2)}${area})`;
}

/** The colour of a value, as a class of page.css. */
function sideOf(value) {
  return value < 0 ? "low" : "high";
}

function colour(place) {
  const value = valueAt(place);
  neurons.text.shade(place, sideOf(value), Math.abs(value));
}

/** Shows a unit in the fields and in the text. */
function showUnit(chosen) {
  unit = chosen;
  element("unit-layer").value = unit.layer + 1;
  element("unit-number").value = unit.unit + 1;
  element("unit-name").value = unit.name ? header.units.indexOf(unit) : "";
  const word = holds.get(keyOf(unit))?.word ?? "free";
  document.querySelector(`[name="hold"][value="${word}"]`).checked = true;
  for (let place = 0; place < memories.length; place++) colour(place);
  neurons.text.choose(neurons.text.chosen);
}

/** The unit of this number, counted through all layers and, past the last, from the first again. */
function unitOf(count) {
  const total = layerCount * layerSize;
  const place = ((count % total) + total) % total;
  const [layer, at] = [Math.floor(place / layerSize), place % layerSize];
  return header.units.find((named) => named.layer === layer && named.unit === at) ?? { layer, unit: at, sign: 1 };
}

/** The next (1) or previous (-1) unit: of the tour while one of its units is shown, else of the network. */
function stepUnit(direction) {
  const place = header.units.indexOf(unit);
  if (place >= 0) showUnit(header.units.at((place + direction) % header.units.length));
  else showUnit(unitOf(unit.layer * layerSize + unit.unit + direction));
}

/** The unit of the fields for layer and number, each put within its bounds. */
function unitInFields() {
  const [layer, at] = ["unit-layer", "unit-number"].map((id) => {
    const { value, min, max } = element(id);
    return Math.min(Math.max(Math.round(Number(value)) || 0, min), max) - min;
  });
  return unitOf(layer * layerSize + at);
}

function tellHolds() {
  for (const id of ["release", "held"]) element(id).hidden = holds.size === 0;
  const list = Array.from(holds.values(), (hold) => `${described({ ...hold, name: "" })} ${hold.word}`);
  element("held").textContent = `Held while it writes: ${list.join("; ")}.`;
}

/** Reads a text into the box; tells how that came to an end. */
function showText(text) {
  memories.length = 0;
  neurons.text.clear();
  neurons.explain("");
  const state = network.start();
  function* work() {
    stepped(vocab.startId, state);
    for (const character of text) {
      const id = vocab.id(character);
      if (id !== null) stepped(id, state);
      memories.push(network.memory(state));
      neurons.text.append(character);
      colour(memories.length - 1);
      yield false;
    }
  }
  return neurons.run(work());
}

element("neurons-start").addEventListener("click", async () => {
  const { text, cut } = textIn(element("neurons-text"));
  if (!text) return neurons.say("There is no text to show; Write on makes some.");
  neurons.say("");
  if ((await showText(text)) !== "replaced") neurons.say(`${number(memories.length)} characters.${cut}`);
});

element("neurons-write").addEventListener("click", async () => {
  const { text, readings } = vocab.fit(element("neurons-text").value);
  const shown = Array.from(text).slice(-MOST / 2).join("");
  if ((await showText(shown)) !== "done") return;
  write(neurons, shown, {
    held: Array.from(holds.values()),
    note: fittingNote(readings),
    onCharacter: ({ state }, place) => {
      memories.push(network.memory(state));
      colour(place);
    },
  });
});

for (const button of document.querySelectorAll('[name="hold"]')) {
  button.addEventListener("change", () => {
    const value = { on: HELD, off: -HELD }[button.value];
    if (value) holds.set(keyOf(unit), { layer: unit.layer, unit: unit.unit, value: value * unit.sign, word: button.value });
    else holds.delete(keyOf(unit));
    tellHolds();
  });
}
element("release").addEventListener("click", () => {
  holds.clear();
  showUnit(unit);
  tellHolds();
});

element("unit-layer").max = layerCount;
element("unit-number").max = layerSize;
element("unit-name").append(...header.units.map((named, place) => new Option(described(named), place)));
element("unit-name").append(new Option("any, by layer and number", ""));
element("tour").hidden = header.units.length === 0;
element("unit-name").addEventListener("change", ({ target }) => {
  showUnit(target.value === "" ? { layer: unit.layer, unit: unit.unit, sign: 1 } : header.units[target.value]);
});
for (const id of ["unit-layer", "unit-number"]) element(id).addEventListener("change", () => showUnit(unitInFields()));
element("unit-previous").addEventListener("click", () => stepUnit(-1));
element("unit-next").addEventListener("click", () => stepUnit(1));
showUnit(header.units[0] ?? unit);

for (const value of [-1, -0.5, 0, 0.5, 1]) legend("neurons-legend", `${value}`, sideOf(value), Math.abs(value));
