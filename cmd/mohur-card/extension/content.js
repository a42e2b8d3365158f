// Passes what a page posts to itself, as the library web-eid.js does, to the worker,
// and the answer back. It says nothing of where it runs: the worker asks the browser.
"use strict";

const actions = ["web-eid:status", "web-eid:authenticate", "web-eid:get-signing-certificate", "web-eid:sign"];

window.addEventListener("message", (event) => {
  const action = event.data?.action;
  if (event.source !== window || !actions.includes(action) || !window.isSecureContext || event.origin === "null") return;
  const answer = (message) => window.postMessage(message, event.origin);
  answer({ action: action + "-ack" });

  // The connection ends with the page, and with it the dialog that the customer sees.
  const port = chrome.runtime.connect();
  port.onMessage.addListener((message) => {
    answer(message);
    port.disconnect();
  });
  port.onDisconnect.addListener(() => {
    const error = { code: "ERR_WEBEID_EXTENSION_UNAVAILABLE", message: "the extension ended" };
    answer({ action: action + "-failure", error });
  });
  const { challengeNonce, certificate, hash, hashFunction, libraryVersion, options } = event.data;
  const { lang, userInteractionTimeout } = options ?? {};
  port.postMessage({ action, challengeNonce, certificate, hash, hashFunction, libraryVersion, lang, userInteractionTimeout });
});
