"use strict";
const at = id => document.getElementById(id);
let session = "", way = "fido";
const surroundings = {ip: "192.0.2.1", user_agent: navigator.userAgent.slice(0, 200), device_id: "demo", country: "AZ"};

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method, headers: {"Authorization": "Bearer " + at("key").value.trim(), "Content-Type": "application/json"}, body: JSON.stringify(body), cache: "no-store",
  });
  const out = await answer.json();
  if (!answer.ok) throw new Error(answer.status + " " + (out.title || "") + "\n" + (out.detail || "") +
    (out.errors || []).map(e => "\n" + e.field + " " + e.message).join(""));
  return out;
}

// enrol makes the customer and begins an enrolment of his.
async function enrol(kind) {
  const customer = at("customer").value, path = "/v1/customers/" + encodeURIComponent(customer);
  await ask("PUT", path, {name: "Demo", locale: "en", contacts: {phone: "+994501234567", email: "demo@bank.test"}, segment: "retail",
    contract_ref: "DEMO", contract_version: "1", kyc_ref: "DEMO"});
  const {secret} = await ask("POST", path + "/activation-secrets", {purpose: "enroll", channel: "email"});
  return ask("POST", "/v1/enrollments", {customer, kind, proof: {activation_secret: secret}});
}

async function register() {
  const begun = await enrol("fido");
  const made = await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.fido.publicKey)});
  const {token} = await ask("POST", "/v1/enrollments/" + begun.id + "/responses", {fido: made.toJSON()});
  return token;
}

// card has the extension start the program beside the card reader, by the messages of
// web-eid.js: they work with the extension of Web eID and with the bank's own.
function card(command, args) {
  const action = "web-eid:" + command;
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      clearTimeout(silence);
      removeEventListener("message", heard);
      settle(value);
    };
    const silence = setTimeout(() => end(reject, new Error("no extension answers: install it and load this page again")), 5000);
    const heard = ({source, data}) => {
      if (source !== window || !data || !String(data.action).startsWith(action + "-")) return;
      const {action: said, error, ...answer} = data;
      if (said === action + "-ack") clearTimeout(silence);
      if (said === action + "-success") end(resolve, answer);
      if (said === action + "-failure") end(reject, new Error(error.code + "\n" + error.message));
    };
    addEventListener("message", heard);
    postMessage({action, libraryVersion: "2.0.2", ...args, options: {lang: document.documentElement.lang}}, location.origin);
  });
}

async function registerCard() {
  const begun = await enrol("card");
  const token = await card("authenticate", {challengeNonce: begun.card.nonce});
  return (await ask("POST", "/v1/enrollments/" + begun.id + "/responses", {card: token})).token;
}

// prove answers an authentication with what the customer logs in with.
async function prove(authentication) {
  const method = authentication.methods.find(m => m.method === way);
  if (!method) throw new Error("no " + way + ": " + authentication.methods.map(m => m.method).join(", "));
  const answer = way === "card" ? {token: await card("authenticate", {challengeNonce: method.nonce})} :
    {credential: (await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(method.options)})).toJSON()};
  return ask("POST", "/v1/authentications/" + authentication.id + "/responses", {method: way, ...answer});
}

async function enter(by, who) {
  way = by;
  const granted = await prove(await ask("POST", "/v1/authentications", {...who, purpose: "login", channel: "internet", context: surroundings}));
  session = granted.session.access_token;
  return {state: granted.state, customer: granted.session.customer, acr: granted.acr, amr: granted.amr, shown: granted.shown};
}

function login() { return enter("fido", {customer: at("customer").value}); }

function loginCard() { return enter("card", {customer: at("customer").value}); }

// nameless lets the key say who it is.
function nameless() { return enter("fido", {}); }

async function pay() {
  const made = await ask("POST", "/v1/transactions", {
    access_token: session, reference: "DEMO-" + crypto.randomUUID(), channel: "internet", service: "transactional", amount: {value: at("amount").value, currency: "AZN"},
    purpose: "demo", payer: {name: "Demo", account: "AZ21NABZ00000000137010001944", bank: "Bank"},
    payee: {name: "Demo", account: at("payee").value, bank: "Bank", country: "AZ"}, context: surroundings,
  });
  if (made.state !== "pending" && !(made.authentications || []).length) return {state: made.state, decision: made.decision};
  const granted = await prove(made.authentications[made.authentications.length - 1]);
  return {state: granted.state, acr: granted.acr, shown: granted.shown, transaction: granted.transaction};
}

for (const [id, act] of Object.entries({register, registerCard, login, nameless, loginCard, pay})) {
  at(id).addEventListener("click", async () => {
    document.querySelectorAll("button").forEach(b => b.disabled = true);
    at("result").textContent = "…";
    try {
      at("result").textContent = JSON.stringify(await act(), null, 2);
    } catch (e) {
      at("result").textContent = String(e.message || e);
    }
    document.querySelectorAll("button").forEach(b => b.disabled = false);
  });
}
at("who").addEventListener("submit", e => e.preventDefault());
