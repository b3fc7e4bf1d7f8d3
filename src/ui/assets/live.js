// Keeps an open page current. Everything on it can be read, and done, without this.

const maxLines = 2000;
/** When the server made this page, by its own clock. */
const madeAt = Number(document.body.dataset.now ?? Date.now());
const skew = Date.now() - madeAt;

/** As the server writes durations, in whole seconds. */
function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

setInterval(() => {
  for (const element of document.querySelectorAll("[data-since]"))
    element.textContent = duration(Date.now() - skew - Number(element.dataset.since));
}, 1000);

let wanted = false;
let refreshing = false;

/** Several wishes at once are one. */
function refresh() {
  wanted = true;
  if (!refreshing) void takeOver();
}

/** Fetches this page again and takes over the parts of it that live. */
async function takeOver() {
  refreshing = true;
  while (wanted) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    wanted = false;
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      // The session has ended, or the machine is gone: the page that says so.
      if ([401, 403, 404].includes(response.status)) location.reload();
      if (!response.ok) break;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) replace(old, fresh.getElementById(old.id));
    } catch {
      // Not reached: the next event, or the next round, tries again.
    }
  }
  refreshing = false;
}

/** Keeps what a person did to the part: what is folded open, and where the keyboard is. */
function replace(old, fresh) {
  if (!fresh || old.isEqualNode(fresh)) return;
  const open = [...old.querySelectorAll("details[open][id]")].map(({ id }) => id);
  const focused = old.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  old.replaceWith(fresh);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
}

const { changes, follow, refresh: every } = document.body.dataset;
if (every)
  setInterval(() => {
    if (!document.hidden) refresh();
  }, Number(every) * 1000);
if (changes) new EventSource(changes).addEventListener("changed", () => refresh());
if (follow) watchMachine(follow);

function watchMachine(path) {
  const log = document.getElementById("log");
  const stream = new EventSource(path);
  let lines = [];
  let first = true;
  let received = 0;
  let shown = "";

  stream.addEventListener("log", ({ data }) => {
    lines.push(JSON.parse(data));
    if (lines.length === 1) requestAnimationFrame(write);
  });
  stream.addEventListener("stage", ({ data }) => {
    const { at, stage, state, message } = JSON.parse(data);
    // The stream begins with what the page shows already.
    if (at < madeAt) return;
    const row = [...document.querySelectorAll("[data-stage]")].find((each) => each.dataset.stage === stage);
    const text = row?.querySelector(".message");
    // A running stage that goes on only has something new to say.
    if (state === "running" && row?.dataset.state === "running" && text) text.textContent = message ?? "";
    else refresh();
  });
  stream.addEventListener("state", ({ data }) => {
    const { state, installId = "" } = JSON.parse(data);
    const now = `${state} ${installId}`;
    if (shown !== "" && shown.split(" ")[1] !== installId) startOver();
    if (now !== shown && shown !== "") refresh();
    shown = now;
  });

  function startOver() {
    received = 0;
    log?.replaceChildren();
  }

  /** The stream begins with all the lines there are: they take the place of those that came with the page. */
  function write() {
    if (!log) return;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40 || first;
    if (first) log.replaceChildren();
    first = false;
    log.append(...lines.slice(-maxLines).map(line));
    received += lines.length;
    const total = document.getElementById("log-total");
    if (total) total.textContent = `${Math.max(received, Number(total.dataset.total))} lines`;
    lines = [];
    while (log.childElementCount > maxLines) log.firstElementChild?.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  function line({ at, source, text }) {
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.dateTime = new Date(at).toISOString();
    time.textContent = new Date(at).toTimeString().slice(0, 8);
    const from = document.createElement("span");
    from.className = "source";
    from.textContent = source ? ` ${source}:` : "";
    item.append(time, from, ` ${text}`);
    return item;
  }
}

document.getElementById("log")?.scrollTo(0, 1e9);
