/* Follows a run: takes the parts of the page as they come. What the reader has opened or chosen stays so. */
"use strict";
const line = document.getElementById("line");
const source = new EventSource("events");

// chosen tabs and opened details of a part, by their order in it
function chosen(part) {
  return {
    radios: [...part.querySelectorAll("input[type=radio]:checked")].map((input) => input.id),
    open: [...part.querySelectorAll("details")].map((details) => details.open),
    touched: part.dataset.touched === "1",
  };
}

function restore(part, before) {
  if (!before.touched) return;
  for (const id of before.radios) {
    const input = document.getElementById(id);
    if (input) input.checked = true;
  }
  [...part.querySelectorAll("details")].forEach((details, i) => { if (i < before.open.length) details.open = before.open[i]; });
}

document.addEventListener("change", (event) => {
  const part = event.target.closest("[data-part]");
  if (part) part.dataset.touched = "1";
});
document.addEventListener("click", (event) => {
  const part = event.target.closest("summary, label") && event.target.closest("[data-part]");
  if (part) part.dataset.touched = "1";
});

source.onmessage = (event) => {
  const news = JSON.parse(event.data);
  line.textContent = news.line;
  for (const [name, text] of Object.entries(news.parts)) {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part) continue;
    const before = chosen(part);
    part.innerHTML = text;
    restore(part, before);
  }
  if (news.state === "ended") {
    source.close();
    document.title = document.title.replace(": running", ": ended");
    line.dataset.ended = "1";
  }
};
source.onerror = () => {
  if (source.readyState !== EventSource.OPEN && line.dataset.ended !== "1") line.textContent = "the run is gone; this is the last that was seen";
};
