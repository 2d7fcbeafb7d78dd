// The one script of these pages: it asks the browser for a passkey and sends what it answers.
// Without it, or in a browser that knows no passkeys, the forms stay hidden.
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const kind = form.dataset.passkey;
  const parse = window.PublicKeyCredential && (kind === "create"
    ? PublicKeyCredential.parseCreationOptionsFromJSON
    : PublicKeyCredential.parseRequestOptionsFromJSON);
  if (!parse || !form.dataset.options) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const publicKey = parse.call(PublicKeyCredential, JSON.parse(form.dataset.options));
    try {
      const credential = await navigator.credentials[kind]({ publicKey });
      form.elements.answer.value = JSON.stringify(credential.toJSON());
    } catch {
      return; // the person changed their mind, or the device did
    }
    form.submit();
  });
}
