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

document.addEventListener("htmx:error", (event) => {
  const shown = event.target.closest("[data-failed]");
  if (shown) shown.textContent = shown.dataset.failed;
});
