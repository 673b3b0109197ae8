"use strict";
// The key is in this variable and in the header of each request, and nowhere else.
let key = "";
let slug = "";

const DENMARK = { timeZone: "Europe/Copenhagen" };
const DAYS_SHOWN = 14;
const at = (id) => document.getElementById(id);

/** An element with children; texts are put in as texts, whatever is in them. */
function made(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const instant = (text) =>
  new Date(text).toLocaleString("da-DK", { ...DENMARK, dateStyle: "short", timeStyle: "short" });
/** 2018-05-03 as 03.05.2018. */
const day = (text) => text.split("-").reverse().join(".");
/** The Danish day so many days ago, as 2018-05-03. */
const daysAgo = (number) => new Date(Date.now() - number * 86400000).toLocaleDateString("sv-SE", DENMARK);

const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** Marks that turn the direction of what follows are shown, and not obeyed. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const plain = (text) => text.replace(TURNS, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The answer to a question; throws a sentence. */
async function ask(path, parameters = {}) {
  let answer;
  try {
    answer = await fetch(`/v1/${path}?${new URLSearchParams(parameters)}`, {
      headers: { Authorization: `Bearer ${key}` },
      cache: "no-store",
    });
  } catch {
    throw new Error("The collector does not answer: try again later.");
  }
  let said = {};
  try {
    said = JSON.parse(await answer.text(), (_, value) => (typeof value === "string" ? plain(value) : value));
  } catch {
    // It is no JSON: the status says enough.
  }
  if (!answer.ok) throw new Error(said.detail ?? `The collector answered with status ${answer.status}.`);
  return said;
}

/** Runs what a form asks for; its buttons rest meanwhile, and a problem is shown. */
function onSubmit(id, work) {
  at(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = at(id).querySelector("button");
    button.disabled = true;
    at("problem").hidden = true;
    at("problem").textContent = "";
    try {
      await work();
    } catch (error) {
      at("problem").textContent = asSentence(error.message);
      at("problem").hidden = false;
      at("problem").scrollIntoView({ block: "nearest" });
    } finally {
      button.disabled = false;
    }
  });
}

async function logIn() {
  key = at("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Error("This is no key: copy it again, from its ct_ to its end.");
  const [cluster] = (await ask("clusters")).clusters;
  at("key").value = "";
  slug = cluster.slug;
  at("cluster").textContent = cluster.name;
  at("source").replaceChildren(...cluster.sources.map((one) => made("option", { value: one }, one)));
  at("from").value = daysAgo(DAYS_SHOWN - 1);
  at("to").value = daysAgo(0);
  at("event").replaceChildren();
  for (const id of ["fresh", "days", "rejected"]) at(id).replaceChildren();
  at("answers").hidden = false;
  at("login").hidden = true;
  at("forget").focus();
  await showDays();
}

function forget() {
  key = slug = "";
  for (const id of ["cluster", "fresh", "source", "event", "days", "rejected"]) at(id).replaceChildren();
  at("id").value = "";
  at("problem").hidden = at("answers").hidden = true;
  at("login").hidden = false;
  at("key").focus();
}

async function showDays() {
  const span = { from: at("from").value, to: at("to").value };
  const days = await ask(`clusters/${encodeURIComponent(slug)}/days`, span);
  const { rejected, refused } = await ask(`clusters/${encodeURIComponent(slug)}/rejected`, span);
  at("fresh").textContent = `${fresh(days)} ${waits(rejected)}`;
  at("days").replaceChildren(...tables(days.arrived));
  const cards = [...refused.map(refusal), ...rejected.map(card)];
  at("rejected").replaceChildren(...(cards.length ? cards : [none()]));
}

function fresh({ as_of: asOf, unread }) {
  const when = `As of ${instant(asOf)}:`;
  if (unread === null) return `${when} whether events wait to be read is not known.`;
  if (unread === 0) return `${when} everything that was received has been read.`;
  return `${when} ${count(unread, "event of all publishers waits", "events of all publishers wait")} to be read.`;
}

function waits(rejected) {
  const open = rejected.filter((one) => one.open).length;
  if (!open) return "Of what arrived on these days, no rejected record waits for you.";
  return `${count(open, "rejected record waits", "rejected records wait")} to be fixed and sent again.`;
}

const none = () => made("p", {}, "None on these days.");

/** A table for each source, the newest day first. */
function tables(arrived) {
  if (!arrived.length) return [made("p", {}, "Nothing arrived on these days.")];
  const columns = { records: "all", accepted: "accepted", retracted: "retracted", duplicate: "repeated", rejected: "rejected" };
  return [...new Set(arrived.map((one) => one.source))].map((source) => {
    const rows = arrived.filter((one) => one.source === source).reverse();
    const head = ["day", ...Object.values(columns)].map((name) => made("th", { scope: "col" }, name));
    const body = rows.map((one) =>
      made("tr", {}, made("th", { scope: "row" }, day(one.day)),
        ...Object.keys(columns).map((name) => made("td", {}, one[name].toLocaleString("en")))));
    return made("div", { class: "wide", tabindex: "0", role: "group", "aria-label": `Days of ${source}` },
      made("table", {}, made("caption", {}, made("bdi", {}, source)),
        made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...body)));
  });
}

const DONE = {
  replayed: "An operator has sent it again.",
  discarded: "An operator has closed it: nothing is to be done.",
  judged_again: "It has been judged again since.",
};

/** A rejected record, with everything that is wrong with it. */
function card(one) {
  const done = DONE[one.closed]
    ?? (one.superseded ? "Another event of its activity was accepted after it." : "Fix it and send it again.");
  return described(one, `Received ${instant(one.record.log_time)} from `, done);
}

/** An event that was rejected over HTTP, and is nowhere but in this collector's memory. */
const refusal = (one) =>
  described(one, `Rejected over HTTP ${instant(one.at)}, and not stored, from `, "Fix it and send it again.");

function described(one, when, done) {
  const faults = one.faults.map((fault) =>
    made("li", {}, made("code", {}, fault.field || "the record"), fault.value ? " (" : "",
      made("bdi", {}, fault.value), fault.value ? ")" : "", `: ${fault.message || fault.code}`));
  return made("article", {},
    made("h3", {}, "Event ", made("bdi", {}, one.event_id || "without an id that can be read")),
    made("p", { class: "hint" }, when, made("bdi", {}, one.source || "a source that cannot be read")),
    made("ul", {}, ...faults), made("p", {}, done));
}

async function lookUp() {
  const by = document.querySelector("input[name=by]:checked").value;
  const source = at("source").value;
  const found = await ask("events", { source, [by]: at("id").value });
  const cards = [...(found.refused ?? []).map(refusal), ...found.rejected.map((one) => card({ ...one, source }))];
  at("event").replaceChildren(made("p", {}, made("strong", {}, found.state), ": ", found.sentence), ...cards);
}

onSubmit("login", logIn);
onSubmit("span", showDays);
onSubmit("lookup", lookUp);
at("forget").addEventListener("click", forget);
