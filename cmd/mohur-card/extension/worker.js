// Starts mohur-card for one command of a page. The origin is what the browser says
// of the frame that asks: no message has a part in it.
"use strict";

const host = "az.mohur.card"; // as mohur-card install registers it
const patience = 5 * 60 * 1000;

// The commands of the Web eID native protocol, and what a page says to each.
const commands = {
  "web-eid:status": { command: null, takes: [] },
  "web-eid:authenticate": { command: "authenticate", takes: ["challengeNonce", "lang"] },
  "web-eid:get-signing-certificate": { command: "get-signing-certificate", takes: ["lang"] },
  "web-eid:sign": { command: "sign", takes: ["certificate", "hash", "hashFunction", "lang"] },
};

function mayAsk(origin) {
  const { protocol, hostname } = new URL(origin);
  return protocol === "https:" || (protocol === "http:" && ["localhost", "127.0.0.1"].includes(hostname));
}

chrome.runtime.onConnect.addListener((page) => {
  page.onMessage.addListener((message) => {
    const { command, takes } = commands[message.action];
    const origin = page.sender.origin;
    const succeed = (answer) => page.postMessage({ ...answer, action: message.action + "-success" });
    const fail = (code, text) => page.postMessage({ action: message.action + "-failure", error: { code, message: text } });
    if (!origin || origin === "null" || !mayAsk(origin)) {
      fail("ERR_WEBEID_CONTEXT_INSECURE", "only pages with https, or of this machine, may ask");
      return;
    }
    const args = {};
    for (const name of takes) {
      if (typeof message[name] === "string") args[name] = message[name];
    }
    args.origin = origin;

    const agent = chrome.runtime.connectNative(host);
    let open = true;
    const end = (tell, ...about) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      agent.disconnect();
      tell?.(...about);
    };
    const timer = setTimeout(end, Math.min(Number(message.userInteractionTimeout) || patience, patience),
      fail, "ERR_WEBEID_USER_TIMEOUT", "the customer did not answer in time");
    page.onDisconnect.addListener(() => end());
    agent.onDisconnect.addListener(() => {
      const why = agent.error ?? chrome.runtime.lastError;
      end(fail, "ERR_WEBEID_NATIVE_UNAVAILABLE", why?.message ?? "mohur-card ended without an answer");
    });

    let version = null; // the agent says it first, unasked
    agent.onMessage.addListener((answer) => {
      if (version === null) {
        version = String(answer.version);
        if (command) {
          agent.postMessage({ command, arguments: args });
        } else {
          end(succeed, { library: message.libraryVersion, extension: chrome.runtime.getManifest().version, nativeApp: version });
        }
      } else if (answer.error) {
        end(fail, answer.error.code, answer.error.message);
      } else {
        end(succeed, answer);
      }
    });
  });
});
