// The page of a customer's phone. It asks for everything it shows twice a second, while somebody looks at it, and draws what
// has changed. Text is only ever set as text, never as HTML.

const pace = 500; // ms between looks
const remembered = "chatkeeper.customers"; // invented customers and the choices made, in this browser

const el = (id) => document.getElementById(id);

/** Makes an element: attributes of an object, then children; null and false are left out. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((c) => c != null && c !== false));
  return node;
}

/** Sets a text only where it differs, so that nothing is read out or selected anew for nothing. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

async function ask(path, body = {}) {
  let answer;
  try {
    answer = await fetch("/phone/" + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("The stack does not answer. Is it still running?");
  }
  const text = await answer.text();
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error("The stack gave no answer that this page can read.");
  }
  if (!answer.ok) throw new Error(sentence(content.error));
  return { content, text };
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");
const initial = (name) => [...(name || "?")][0].toUpperCase();
const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function moment(at) {
  const day = new Date(at);
  const today = day.toDateString() === new Date().toDateString();
  return (today ? "" : day.toLocaleDateString([], { day: "numeric", month: "short" }) + ", ") + clock(at);
}

function ago(at) {
  const s = Math.max(0, Math.round((Date.now() - new Date(at)) / 1000));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min";
  return Math.floor(s / 86400) + " days";
}

/** A duration that keeps counting between two drawings. */
const counting = (at) => make("span", { "data-since": at }, ago(at));
function count() {
  for (const node of document.querySelectorAll("[data-since]")) say(node, ago(node.dataset.since));
}

function nameOf(kind, code) {
  if (!code || code === "unknown") return "unknown";
  try {
    return new Intl.DisplayNames(["en"], { type: kind }).of(code);
  } catch {
    return code;
  }
}

// ---- What is chosen -------------------------------------------------------------------------------------------------

let opening = null; // what the page needs once: ready customers, countries, examples, numbers
let invented = [];
let outbox = []; // what was sent from this page: {customer, number, key, at, type, text, state, wamid}
let last = null; // the last delivery: {body, wamid, …}
let drawn = ""; // the answer that is on the screen
let looks = 0; // counts choices, so that an answer to an earlier one is dropped

function keep() {
  try {
    localStorage.setItem(remembered, JSON.stringify({ invented, customer: el("customer").value, number: el("number").value }));
  } catch {
    // a browser that keeps nothing still works
  }
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(remembered)) || {};
  } catch {
    return {};
  }
}

const identityOf = (c) => c.userId || c.phone;
const everybody = () => [...opening.customers, ...invented];
const chosen = () => everybody().find((c) => identityOf(c) === el("customer").value) || opening.customers[0];
const number = () => el("number").value;

function tells(c) {
  const parts = [c.userId && "user id", c.phone && "phone number"].filter(Boolean).join(" and ");
  return c.userId && c.phone ? parts : parts + " only";
}

function drawCustomers(choice) {
  const option = (c) => make("option", { value: identityOf(c) }, `${c.name}, ${nameOf("language", c.language)}${c.phone ? "" : " (no phone number)"}`);
  el("customer").replaceChildren(
    make("optgroup", { label: "Ready" }, opening.customers.map(option)),
    ...(invented.length ? [make("optgroup", { label: "Invented here" }, invented.map(option))] : []),
  );
  if (choice && everybody().some((c) => identityOf(c) === choice)) el("customer").value = choice;
}

function drawExamples() {
  const { language } = chosen();
  const own = opening.examples.filter((l) => l.code === language);
  const rest = opening.examples.filter((l) => l.code !== language);
  el("example").replaceChildren(
    make("option", { value: "" }, "choose one"),
    ...[...own, ...rest].map((l) => make("optgroup", { label: l.name },
      [...l.opening, ...l.more].map((text) => make("option", { value: text, dir: "auto", lang: l.code }, text)))),
  );
}

function drawPhone() {
  const c = chosen();
  say(el("who"), c.name);
  say(el("face"), initial(c.name));
  say(el("identity"), [nameOf("region", c.country), c.username && "@" + c.username, tells(c)].filter(Boolean).join(" · "));
  drawExamples();
}

function choose() {
  keep();
  drawPhone();
  drawn = "";
  looks++;
  for (const part of ["chat", "why", "history"]) el(part).replaceChildren();
  drawBubbles([]);
  look();
}

// ---- Sending --------------------------------------------------------------------------------------------------------

async function send(message) {
  const c = chosen();
  const line = { customer: identityOf(c), number: number(), at: new Date().toISOString(), state: "sending", ...message };
  outbox.push(line);
  outbox = outbox.slice(-200);
  drawBubbles();
  await deliver(ask("send", { customer: c, number: number(), message }), line);
}

async function deliver(asked, line) {
  try {
    const { content: result } = await asked;
    if (line) {
      Object.assign(line, { key: result.key, wamid: result.wamid, state: result.status === 200 ? "taken by the webhook" : "not taken: " + (result.status || "no answer") });
      line.failed = result.status !== 200;
      last = result;
      say(el("body"), JSON.stringify(JSON.parse(result.body), null, 2));
      el("again").disabled = false;
    }
    answered(result.status, `${line ? "" : "The same delivery again: "}${result.status ? `the webhook answered ${result.status}` : "the webhook did not answer"} after ${result.millis} ms`);
  } catch (error) {
    if (line) Object.assign(line, { state: "not sent", failed: true });
    answered(0, error.message);
  }
  drawBubbles();
  look();
}

function answered(status, words) {
  el("answer").className = status === 200 ? "answer-good" : "answer-bad";
  say(el("answer"), sentence(words));
}

// ---- Drawing --------------------------------------------------------------------------------------------------------

let stored = []; // messages as last looked at

const kinds = { interactive: "choice", button: "choice", image: "picture", unsupported: "something that this phone can’t show", request_welcome: "hello" };
const sources = { echo: "from the business’s phone", history: "from the history", standby_message: "while WhatsApp’s agent answers", group: "in a group" };

function drawBubbles(messages = stored) {
  stored = messages;
  const mine = outbox.filter((m) => m.customer === identityOf(chosen()) && m.number === number());
  const known = new Set(messages.map((m) => m.key));
  const lines = [
    ...messages.map((m) => ({
      key: m.key, at: m.at, type: m.type, text: m.text, mine: m.direction === "in",
      state: [sources[m.source], m.delivery, m.errors?.length && "error " + m.errors.join(", "), m.direction === "in" && (m.unread ? "unread" : "stored")].filter(Boolean).join(" · "),
    })),
    ...mine.filter((m) => !known.has(m.key)).map((m) => ({ ...m, mine: true })),
  ];
  const box = el("bubbles");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  const before = box.childElementCount;
  box.replaceChildren(...(lines.length ? lines.map(bubble) : [make("li", { class: "note" }, "No messages between this customer and this number yet.")]));
  if (atEnd || before !== box.childElementCount) box.scrollTop = box.scrollHeight;
}

function bubble(m) {
  const isText = !m.type || m.type === "text";
  return make("li", { class: [m.mine && "mine", m.failed && "failed"].filter(Boolean).join(" ") },
    !isText && make("p", { class: "kind" }, kinds[m.type] || m.type),
    m.text && make("p", { dir: "auto" }, m.text),
    make("small", {}, moment(m.at), m.state ? " · " + m.state : ""));
}

function fact(name, ...value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, ...value));
}

function drawChat(v) {
  const c = v.chat;
  if (!c) {
    el("chat").replaceChildren(make("p", { class: "card empty" }, "There is no Chat between this customer and this number. It begins with the first message."));
    el("why").replaceChildren();
    el("history").replaceChildren();
    return;
  }
  const state = c.waiting ? "waiting" : c.status;
  const owner = c.waiting
    ? make("p", {}, make("b", {}, "Nobody yet"), make("span", {}, "waits since ", clock(c.waiting.since), " (", counting(c.waiting.since), ") for ", c.waiting.pools.join(" and ")),
      make("small", {}, sentence(c.waiting.because)))
    : make("p", {}, make("b", {}, make("bdi", {}, c.owner.name)),
      make("span", {}, c.status === "closed" ? "was the Assignee when it was closed" : "is the Assignee"));
  const act = (what, words) => make("button", { type: "button", onclick: () => control("chat", { chat: c.id, as: c.owner.id, do: what }) }, words);
  el("chat").replaceChildren(make("div", { class: "card" },
    make("div", { class: "owner" },
      make("span", { class: c.waiting ? "face nobody" : "face", "aria-hidden": "true" }, c.waiting ? "…" : initial(c.owner.name)),
      owner,
      !c.waiting && (c.status === "open" ? act("close", `Close as ${c.owner.name}`) : act("open", `Open again as ${c.owner.name}`))),
    make("dl", { class: "facts" },
      fact("Status", make("span", { class: "pill " + state }, c.waiting ? "open, waiting" : c.status), " since ", moment(c.since)),
      fact("Unread", c.unread),
      fact("Epoch", String(c.epoch)),
      fact("Language", nameOf("language", c.language)),
      fact("Country", nameOf("region", c.country)),
      fact("Known by", c.identities.join(" and ")),
      c.merged?.length && fact("Merged into it", c.merged.length === 1 ? "one Chat" : c.merged.length + " Chats"),
      fact("Chat", make("span", { title: c.id }, c.id.slice(0, 10) + "…")))));
}

function drawWhy(w) {
  if (!w) return el("why").replaceChildren();
  const asked = (w.rules || []).filter((r) => r.outcome !== "not_reached");
  const limit = (x) => (x.capacity ? `${x.openChats} of ${x.capacity}` : `${x.openChats}, no limit`);
  el("why").replaceChildren(make("div", { class: "card" },
    make("div", {}, make("h3", {}, "Why"), make("p", { class: "headline" }, w.headline)),
    make("dl", { class: "facts" },
      fact("Rule", w.rule),
      fact("Pool", w.pool),
      fact("Given", w.strategy),
      w.priority && w.priority !== "normal" && fact("Priority", w.priority),
      fact("Decided", moment(w.at), ` by version ${w.rulesVersion} of the rules`)),
    make("div", {}, make("h3", {}, "What the rules looked at"),
      make("ul", { class: "inputs" }, w.inputs.map((i) => make("li", {}, make("span", {}, i.name + " "), i.value)))),
    w.rules?.length && make("div", {}, make("h3", {}, "The rules in order"),
      make("ol", { class: "rules" }, asked.map((r) => make("li", { class: r.outcome },
        make("span", { class: "mark", "aria-hidden": "true" }, r.outcome === "matched" ? "✓" : "–"),
        make("span", {}, r.name, make("small", {}, (r.outcome === "matched" ? "decided: " : "") + r.because))))),
      asked.length < w.rules.length && make("p", { class: "hint" }, `What stands below was not asked any more: ${w.rules.slice(asked.length).map((r) => r.name).join(", ")}.`)),
    (w.candidates?.length || w.others?.length) && make("div", {}, make("h3", {}, "Who was looked at"),
      make("div", { class: "scroll" }, make("table", {},
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Person"), make("th", { scope: "col" }, "Open Chats"), make("th", { scope: "col" }, "Why"))),
        make("tbody", {},
          (w.candidates || []).map((x) => make("tr", { class: x.chosen ? "chosen" : false },
            make("td", {}, make("bdi", {}, x.name)), make("td", { class: "count" }, limit(x)), make("td", {}, x.chosen ? "chosen: " + x.because : x.because))),
          (w.others || []).map((x) => make("tr", {}, make("td", {}, x.count === 1 ? "1 other" : x.count + " others"), make("td", {}, ""), make("td", {}, x.because)))))),
      w.tieBreak && make("p", { class: "hint" }, "Between equals: " + w.tieBreak + "."))));
}

function drawHistory(events) {
  if (!events.length) return el("history").replaceChildren();
  el("history").replaceChildren(make("div", { class: "card" }, make("h3", {}, "History, newest first"),
    make("ol", { class: "history" }, events.map((e) => make("li", { class: e.type }, e.says, e.note && make("q", {}, e.note),
      make("small", {}, moment(e.at), " · epoch " + e.epoch))))));
}

const cards = new Map(); // person id to the parts of their card: what somebody is typing in must not be replaced

function card(id) {
  const part = {
    dot: make("i", { class: "dot" }), name: make("bdi"), load: make("small"), bar: make("i"), about: make("small"),
    availability: make("select", { onchange: () => control("person", { id, availability: part.availability.value }) },
      ["online", "away", "offline"].map((a) => make("option", { value: a }, a))),
    capacity: make("input", {
      type: "number", min: 1, max: 1000, placeholder: "no limit", inputmode: "numeric",
      onchange: () => part.capacity.reportValidity() && control("person", { id, capacity: Number(part.capacity.value) || 0 }),
    }),
  };
  part.track = make("div", { class: "load" }, part.bar);
  part.card = make("li", { class: "card" },
    make("p", { class: "name" }, part.dot, make("b", {}, part.name), part.load),
    part.track, part.about,
    make("div", { class: "set" }, part.availability, make("label", {}, "Capacity", part.capacity)));
  cards.set(id, part);
  return part;
}

function drawPeople(people, owner) {
  const most = Math.max(10, ...people.map((p) => p.openChats)); // the full length of a bar without a capacity
  for (const p of people) {
    const part = cards.get(p.id) || card(p.id);
    part.dot.className = "dot " + p.availability;
    say(part.name, p.name);
    say(part.load, p.capacity ? `${p.openChats} of ${p.capacity} Chats` : p.openChats === 1 ? "1 Chat" : `${p.openChats} Chats`);
    part.track.classList.toggle("full", p.capacity > 0 && p.openChats >= p.capacity);
    part.bar.style.width = Math.min(100, (100 * p.openChats) / (p.capacity || most)) + "%";
    say(part.about, [p.role === "admin" ? "Admin" : null, !p.active && "deactivated", p.teams.join(", "), p.languages?.join(", ")].filter(Boolean).join(" · "));
    part.availability.setAttribute("aria-label", "Availability of " + p.name);
    part.capacity.setAttribute("aria-label", "Capacity of " + p.name);
    if (document.activeElement !== part.availability) part.availability.value = p.availability;
    if (document.activeElement !== part.capacity) part.capacity.value = p.capacity || "";
    part.card.classList.toggle("owns", p.id === owner);
  }
  const wanted = people.map((p) => cards.get(p.id).card);
  const there = [...el("people").children];
  if (wanted.length !== there.length || wanted.some((c, i) => c !== there[i])) el("people").replaceChildren(...wanted);
}

function drawPools(pools) {
  el("pools").replaceChildren(pools.length
    ? make("ul", { class: "pools" }, pools.map((p) => make("li", {}, make("span", {}, p.words),
      make("b", {}, p.count === "1" ? "1 waits, " : p.count + " wait, ", counting(p.since)))))
    : make("p", { class: "hint" }, "No Chat waits."));
}

function draw(v) {
  say(el("rules"), `Rules version ${v.rules.inForce}`);
  warn(v.rules.broken && `Version ${v.rules.saved} of the rules can’t be loaded, so version ${v.rules.inForce} stays in force: ${v.rules.broken}`);
  drawBubbles(v.messages);
  drawChat(v);
  drawWhy(v.why);
  drawHistory(v.history);
  drawPeople(v.people, v.chat?.status === "open" ? v.chat.owner?.id : null);
  drawPools(v.pools);
}

function warn(words) {
  el("alert").hidden = !words;
  say(el("alert"), words || "");
}

async function control(path, body) {
  try {
    await ask(path, body);
  } catch (error) {
    answered(0, error.message);
    warn(error.message);
    drawn = "";
  }
  look();
}

// ---- Looking --------------------------------------------------------------------------------------------------------

let timer = 0;
let looking = false;
let wanted = false; // somebody asked for a look while one was under way

async function look() {
  if (looking) {
    wanted = true;
    return;
  }
  clearTimeout(timer);
  looking = true;
  wanted = false;
  const choice = looks;
  try {
    if (!opening) await begin();
    const { userId, phone } = chosen();
    const { content, text } = await ask("look", { userId, phone, number: number() });
    if (choice === looks && text !== drawn) {
      drawn = text;
      draw(content);
    }
    live("on", "live");
  } catch (error) {
    live("lost", error.message);
  }
  looking = false;
  if (wanted || choice !== looks) return look();
  if (!document.hidden) timer = setTimeout(look, pace);
}

function live(state, words) {
  el("live").className = state;
  say(el("live"), words);
}

async function begin() {
  const { content } = await ask("start");
  if (!content.numbers.length) throw new Error("There are no business numbers yet.");
  opening = content;
  const before = kept();
  invented = before.invented || [];
  el("number").replaceChildren(...opening.numbers.map((n) => make("option", { value: n.id }, n.name)));
  if (opening.numbers.some((n) => n.id === before.number)) el("number").value = before.number;
  el("invent").country.replaceChildren(...opening.countries.map((c) => make("option", { value: c.code }, c.name)));
  drawCustomers(before.customer);
  drawPhone();
}

el("customer").addEventListener("change", choose);
el("number").addEventListener("change", choose);
el("example").addEventListener("change", () => {
  el("text").value = el("example").value;
  el("example").value = "";
  el("text").focus();
});
el("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = el("text").value;
  if (!opening || !text.trim()) return el("text").focus();
  el("text").value = "";
  el("text").focus();
  send({ type: "text", text });
});
el("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    el("write").requestSubmit();
  }
});
el("choices").addEventListener("click", ({ target }) => {
  if (opening && target.dataset.choice) send({ type: "button", text: target.textContent, replyId: target.dataset.choice });
});
el("others").addEventListener("click", ({ target }) => {
  const type = target.dataset.send;
  if (!opening || !type) return;
  const newest = outbox.findLast((m) => m.wamid && m.type !== "reaction" && m.customer === identityOf(chosen()) && m.number === number());
  send({ type, ...(type === "reaction" ? { target: newest?.wamid || "wamid.earlier" } : {}) });
});
el("again").addEventListener("click", () => deliver(ask("again", { body: last.body })));
el("invent").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const tell = form.tells.value;
  try {
    const { content } = await ask("invent", { name: form.elements.name.value, country: form.country.value, username: form.username.value, hasId: tell !== "phone", hasPhone: tell !== "id" });
    invented.push(content);
    drawCustomers(identityOf(content));
    form.reset();
    form.closest("details").open = false;
    choose();
    el("text").focus();
  } catch (error) {
    answered(0, error.message);
  }
});
document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(() => document.hidden || count(), 1000);
look();
