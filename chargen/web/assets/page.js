"use strict";
// The page as a whole: its heading, its three tabs, its sliders, and what the fields hold at first.

/** A sentence on the model. */
function about() {
  const { cell, num_layers: layers, hidden_size: size, bidirectional } = header.model;
  const kind = { lstm: "LSTM", peephole: "peephole LSTM", gru: "GRU", rnn: "RNN" }[cell] ?? cell;
  const bits = [["validation", header.val_bpc], ["test", header.test_bpc]]
    .filter(([, value]) => value !== null)
    .map(([split, value]) => `, ${split} ${number(value, 2)}`);
  return [
    `${layers}x${size} ${kind}, ${number(header.parameters)} weights, ${number(vocab.characters.length)} characters`,
    bits.length ? `${bits.join("")} bits per character.` : ".",
    bidirectional ? " The model is bidirectional; its forward half works here." : "",
    " Everything runs in this page; nothing is sent anywhere.",
  ].join("");
}

const unopened = new Set(header.example ? ["read", "neurons"] : []);
const tabs = Array.from(document.querySelectorAll('[role="tab"]'));

/** Shows a part; one that begins with an example does its work on it when it is first opened. */
function openTab(tab) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", other === tab);
    other.tabIndex = other === tab ? 0 : -1;
    element(other.getAttribute("aria-controls")).hidden = other !== tab;
  }
  const part = tab.getAttribute("aria-controls");
  if (unopened.delete(part)) element(`${part}-start`).click();
}

tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!direction) return;
    const next = tabs.at((place + direction) % tabs.length);
    openTab(next);
    next.focus();
  });
});

element("temperature").value = header.sampler.temperature;
element("top-p").value = header.sampler.top_p;
const shownValues = {
  temperature: (value) => number(value, 2),
  "top-p": (value) => number(value, 2),
  speed: (value) => (value === SPEEDS.length - 1 ? "full" : `${SPEEDS[value]}/s`),
};
for (const [id, shown] of Object.entries(shownValues)) {
  const tell = () => (element(`${id}-value`).value = shown(Number(element(id).value)));
  element(id).addEventListener("input", tell);
  tell();
}

for (const id of ["read-text", "neurons-text"]) element(id).value = header.example;
document.querySelector("h1").textContent = `chargen: ${header.name}`;
element("about").textContent = about();
element("page").hidden = false;
