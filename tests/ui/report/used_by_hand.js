"use strict";
// Uses the report as a reader does, and leaves what was seen in the element "seen".
(async () => {
  const seen = {};
  const over = [...document.querySelectorAll(".u-over")];
  const wait = () => new Promise((done) => setTimeout(done, 60));
  const mouse = (target, type, share, chart = 0) => {
    const box = over[chart].getBoundingClientRect();
    const at = { clientX: box.left + box.width * share, clientY: box.top + box.height / 2, movementX: 9 };
    target.dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0, ...at }));
  };
  const legend = (chart) =>
    Object.fromEntries(
      [...document.querySelectorAll(".u-legend")[chart].querySelectorAll(".u-series")].map((row) => [
        row.querySelector(".u-label").textContent, row.querySelector(".u-value").textContent]));
  const shown = () => document.getElementById("shown").textContent;
  const key = (name, chart) =>
    document.getElementById("chart-" + chart).dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  await wait();
  mouse(over[0], "mouseenter", 0.25); mouse(over[0], "mousemove", 0.25);
  await wait();
  seen.hover = legend(0);
  seen.beside = legend(2).time;
  mouse(over[0], "mousedown", 0.25);
  await wait();
  for (const share of [0.3, 0.4, 0.5]) {
    mouse(over[0], "mousemove", share);
    await wait();
  }
  mouse(over[0], "mouseup", 0.5);
  await wait();
  seen.zoomed = shown();
  mouse(over[2], "mouseenter", 0.01, 2); mouse(over[2], "mousemove", 0.01, 2);
  await wait();
  seen.left = legend(2).time;
  key("+", "wait"); seen.closer = shown();
  key("ArrowRight", "wait"); seen.later = shown();
  key("0", "wait"); seen.whole = shown();
  seen.before = getComputedStyle(document.documentElement).backgroundColor;
  document.getElementById("theme").click();
  seen.after = getComputedStyle(document.documentElement).backgroundColor;
  const out = document.createElement("pre");
  out.id = "seen"; out.textContent = JSON.stringify(seen);
  document.body.append(out);
})();
