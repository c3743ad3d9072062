// What every page does beside links and forms: submits filters when they change and says when something failed.
"use strict";

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-submit-on-change]");
  if (form && !event.target.closest("[hx-get], [hx-post]")) form.requestSubmit();
});

// The sign-in page: a second press of the button must not take a second try.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  window.setTimeout(() => delete form.dataset.sent, 3000);
});

// What was wrong with a rule of the builder goes as soon as it is touched; the count below says what is still open.
document.addEventListener("input", (event) => {
  const rule = event.target.closest(".rule.at-fault");
  if (!rule) return;
  rule.classList.remove("at-fault");
  rule.querySelectorAll(".fault").forEach((fault) => fault.remove());
});

// An answer that failed is never put into the page; the place it was for says so.
for (const failure of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(failure, (event) => {
    const asked = event.target;
    const place = asked.matches('[hx-target^="#"]') ? document.querySelector(asked.getAttribute("hx-target")) : null;
    const shown = asked.closest("[data-failed]") || asked.closest("#builder-form")?.querySelector("#live") || place?.closest("[data-failed]") || asked.nextElementSibling?.closest("[data-failed]");
    if (shown) shown.textContent = shown.dataset.failed;
  });
}

// What follows by itself rests while nobody can see it, and a page that was left alone for a quarter of an hour asks no
// more: an open page must not keep somebody signed in. A touch, a key or a look at it lets it go on.
const REST_AFTER = 15 * 60 * 1000;
let lastTouched = Date.now();
for (const sign of ["pointerdown", "keydown", "scroll", "visibilitychange"]) {
  document.addEventListener(sign, () => { lastTouched = Date.now(); }, { passive: true, capture: true });
}
document.addEventListener("htmx:before:request", (event) => {
  const followed = event.target.closest?.('[hx-trigger^="every"]');
  if (followed && (document.hidden || Date.now() - lastTouched > REST_AFTER)) event.preventDefault();
});
// A place that follows by itself says while it fails that it does.
for (const outcome of ["htmx:error", "htmx:response:error", "htmx:after:request"]) {
  document.addEventListener(outcome, (event) => {
    const place = event.target.closest?.("[data-follows]");
    if (place) place.classList.toggle("failing", outcome !== "htmx:after:request" || event.detail.ctx.response.status >= 400);
  });
}
